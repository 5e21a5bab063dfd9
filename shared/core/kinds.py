"""The kinds of account that Microsoft.CognitiveServices has, as Azure spells them. Pure.

Azure takes no kind that it does not know, and Resource Graph finds nothing of such a kind, so a
misspelled one would leave its accounts unswept without a word.
"""

import re

from shared.core.spelling import likeliest

KINDS = (
    # What `az cognitiveservices account list-kinds` shows, that is the provider's list of SKUs.
    "AIServices",
    "AnomalyDetector",
    "CognitiveServices",
    "ComputerVision",
    "ContentModerator",
    "ContentSafety",
    "ConversationalLanguageUnderstanding",
    "CustomVision.Prediction",
    "CustomVision.Training",
    "Face",
    "FormRecognizer",
    "HealthInsights",
    "ImmersiveReader",
    "Internal.AllInOne",
    "LUIS.Authoring",
    "LanguageAuthoring",
    "MetricsAdvisor",
    "OpenAI",
    "Personalizer",
    "QnAMaker.v2",
    "SpeechServices",
    "TextAnalytics",
    "TextTranslation",
    # Others that Azure has had, by Terraform's azurerm_cognitive_account: old accounts keep theirs.
    "Academic",
    "Bing.Autosuggest",
    "Bing.Autosuggest.v7",
    "Bing.CustomSearch",
    "Bing.Search",
    "Bing.Search.v7",
    "Bing.Speech",
    "Bing.SpellCheck",
    "Bing.SpellCheck.v7",
    "CustomSpeech",
    "Emotion",
    "LUIS",
    "QnAMaker",
    "Recommendations",
    "SpeakerRecognition",
    "Speech",
    "SpeechTranslation",
    "WebLM",
    # Those that only the built-in policy 67121cc7-ff39-4ab8-b7e3-95b84dab487d names, which asks
    # for customer-managed keys.
    "HealthDecisionSupport",
    "TranscriptionIntelligence",
    "knowledge",
)
"""Every kind that is known, the current ones first."""

OTHER = "other:"
"""Stands before a kind that is newer than this list."""

_BY_LOWER_CASE = {kind.lower(): kind for kind in KINDS}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*")


def read_kind(text: str) -> str:
    """Return a kind in Azure's spelling; what stands after `other:` is taken as it is.

    Raises ValueError, which names the likeliest kind.
    """
    if text.lower().startswith(OTHER):
        name = text[len(OTHER) :].strip()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} can be no kind")
        return name
    if text.lower() in _BY_LOWER_CASE:
        return _BY_LOWER_CASE[text.lower()]
    likely = likeliest(text, KINDS)
    raise ValueError(f"{text!r} is no known kind" + (f": {likely}?" if likely else ""))
