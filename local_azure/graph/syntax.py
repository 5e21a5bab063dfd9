"""Query text, read as Resource Graph reads it: where it fails to parse, what it doesn't know.

The parser is duckdb-kql's, generated from Microsoft's grammar. It is handed a text in which a
query without a table has got `resources`, and column names that the grammar takes for keywords
(`kind` above all) are in brackets; places in errors are those of the text as it was sent.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from antlr4 import (  # type: ignore[import-untyped]  # no stubs among our packages
    CommonTokenStream,
    InputStream,
    Token,
)
from duckdb_kql._antlr.KqlLexer import KqlLexer
from duckdb_kql._antlr.KqlParser import KqlParser
from duckdb_kql.parser import validate

from local_azure.graph.refusals import Refused, parser_failure, unknown_operator

# Resource Graph's whole list of tabular operators (query-language.md, 2024-03-20).
_LISTED = """
count distinct extend join limit mvexpand mv-expand order parse project project-away sort summarize
take top union where
"""
OPERATORS = frozenset(_LISTED.split())
# What Kusto has and the list hasn't.
_NOT_LISTED = """
as assert-schema consume evaluate externaldata external_data datatable facet filter find fork
getschema graph-mark-components graph-match graph-shortest-paths graph-to-table invoke lookup
macro-expand make-graph make-series materialize mv-apply mvapply parse-kv parse-where partition
partitioned-by print project-keep project-rename project-reorder project-smart range reduce render
sample sample-distinct scan search serialize top-hitters top-nested
"""
_KUSTO_OPERATORS = frozenset(_NOT_LISTED.split())
_STATEMENTS = frozenset({"let", "set", "declare", "alias", "restrict"})
_SOURCES = frozenset({"externaldata", "external_data", "datatable", "print", "search", "find"})
# Names that people give columns, and that the grammar keeps for itself.
_COLUMN_NAMES = frozenset({"kind", "title", "table", "timeline", "card", "panels"})
_WITH_PARAMETERS = frozenset({"join", "union", "mv-expand", "mvexpand", "parse"})
_WITHOUT_PARAMETERS = frozenset({"where", "sort", "order", "count", "take", "limit", "top"})
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_UNREAD = "token recognition error"
# What Resource Graph says that it expected at the end of a text (recorded: arg-error-01).
_AT_THE_END = "\u0179"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was edited by inserting, and where."""

    original: str
    edited: str
    inserted: tuple[tuple[int, int], ...] = field(default=())
    """Offsets in the edited text, and the lengths of what was put in there; ascending."""

    def place(self, offset: int) -> tuple[int, int]:
        """Line (from 1) and column (from 0) in the original of an offset in the edited text."""
        before = [(start, length) for start, length in self.inserted if start <= offset]
        original = offset - sum(min(length, offset - start) for start, length in before)
        head = self.original[:original]
        return head.count("\n") + 1, len(head) - (head.rfind("\n") + 1)


def read_text(query: str) -> Text:
    """Judge a query's words and edit it for the parser. Raises Refused."""
    tokens = _tokens(query)
    _judge(tokens)
    text = _edited(query, tokens)
    failures = []
    diagnostics = validate(text.edited)
    unread = [d for d in diagnostics if d.message.startswith(_UNREAD)]
    wrong = [d for d in diagnostics if not d.message.startswith(_UNREAD)]
    for diagnostic in unread[:1]:
        offset = _offset(text.edited, diagnostic.span.line, diagnostic.span.column)
        failures.append(_unfinished(text, offset))
    for diagnostic in wrong[:1]:
        offset = _offset(text.edited, diagnostic.span.line, diagnostic.span.column)
        failures.append(_failure(text, offset, diagnostic.message))
    if failures:
        raise Refused(*failures[0].details[:1], *(failure.details[-1] for failure in failures))
    return text


def _tokens(query: str) -> list[Token]:
    lexer = KqlLexer(InputStream(query))
    lexer.removeErrorListeners()
    return [token for token in lexer.getAllTokens() if token.channel == 0]


def _judge(tokens: list[Token]) -> None:
    """Refuse what Resource Graph's documentation doesn't list."""
    for index, token in enumerate(tokens):
        word = token.text
        before = tokens[index - 1].text if index else ""
        after = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if index == 0 and word in _STATEMENTS:
            raise unknown_operator(word)
        if word == ";" and after:
            raise unknown_operator(";")
        operator = before == "|" or index == 0
        if operator and word in _KUSTO_OPERATORS and (before == "|" or after != "|"):
            raise unknown_operator(word)
        if before == "(" and word in _SOURCES | {"range"} and index > 1 and after != "(":
            raise unknown_operator(word)
        if word in {"materialize", "toscalar", "datatable"} and after == "(" and before != ".":
            raise unknown_operator(word)
        if word == "=" and index > 1 and tokens[index - 2].text in _WITHOUT_PARAMETERS:
            # The grammar reads `where a = 'b'` as a parameter and leaves it out without a word.
            raise parser_failure(token.line, token.column, word, None)
        if word.startswith("hint.") or (word == "isfuzzy" and before == "union"):
            raise unknown_operator(word)


def _edited(query: str, tokens: list[Token]) -> Text:
    edits: list[tuple[int, str]] = []
    if tokens and tokens[0].text in OPERATORS - {"union"}:
        edits.append((tokens[0].start, "resources | "))
    for index, token in enumerate(tokens):
        if _is_bracketed(tokens, index):
            edits += [(token.start, "['"), (token.stop + 1, "']")]
        match token.text:
            case "mv-expand" | "mvexpand":
                edits += _names_of_targets(tokens, index + 1)
            case "project-away" | "distinct":
                edits += _patterns(tokens, index + 1)
    edits.sort(key=lambda edit: edit[0])
    parts: list[str] = []
    inserted: list[tuple[int, int]] = []
    at = length = 0
    for offset, put_in in edits:
        parts += [query[at:offset], put_in]
        inserted.append((offset + length, len(put_in)))
        at, length = offset, length + len(put_in)
    return Text(query, "".join([*parts, query[at:]]), tuple(inserted))


def _is_bracketed(tokens: list[Token], index: int) -> bool:
    word = tokens[index].text
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if not _WORD.fullmatch(word) or tokens[index].type == KqlLexer.IDENTIFIER:
        return False
    if before == ".":
        return True
    if word == "count":
        return before not in {"|", "", "("} and after not in {"(", "="}
    if word not in _COLUMN_NAMES or after == "(":
        return False
    if before in {"mv-expand", "mvexpand"} and after == "=":
        return tokens[index + 2].text not in {"array", "bag"} if index + 2 < len(tokens) else False
    # `join kind=inner` has a parameter, `extend kind=...` a column
    parameter = after == "=" and (before in _WITH_PARAMETERS or _follows_parameter(tokens, index))
    return not parameter


def _follows_parameter(tokens: list[Token], index: int) -> bool:
    """Whether the word stands after `operator name=value`."""
    return (
        index > 3 and tokens[index - 2].text == "=" and tokens[index - 4].text in _WITH_PARAMETERS
    )


def _names_of_targets(tokens: list[Token], index: int) -> list[tuple[int, str]]:
    """Name the targets of mv-expand that are paths: Kusto calls `a.b` the column `a_b`."""
    edits: list[tuple[int, str]] = []
    while index < len(tokens):
        target: list[Token] = []
        while index < len(tokens) and tokens[index].text not in {",", "|", ")", "limit", "to"}:
            target.append(tokens[index])
            index += 1
        words = [token.text for token in target]
        if len(words) > 1 and "=" not in words and set(words[1::2]) == {"."}:
            edits.append((target[0].start, "_".join(words[::2]) + " = "))
        if index >= len(tokens) or tokens[index].text != ",":
            break
        index += 1
    return edits


def _unfinished(text: Text, offset: int) -> Refused:
    """Say where a string begins that doesn't end.

    Azure/aztfexport#485 has such a failure before the parser's own, with the quote as what was
    expected; that it has a place and a token too is inferred.
    """
    rest = text.edited[offset:]
    quote = rest[:1] if rest[:1] in {"'", '"'} else None
    line, column = text.place(offset)
    return parser_failure(line, column, rest.partition("\n")[0], quote)


def _patterns(tokens: list[Token], index: int) -> list[tuple[int, str]]:
    """Put names with a star in brackets: the translation knows the columns that they stand for."""
    edits: list[tuple[int, str]] = []
    whole = tokens[index - 1].text == "distinct"
    while index < len(tokens) and tokens[index].text not in {"|", ")"}:
        first = index
        while index + 1 < len(tokens) and tokens[index + 1].start == tokens[index].stop + 1:
            if tokens[index + 1].text in {",", "|", ")"}:
                break
            index += 1
        words = [token.text for token in tokens[first : index + 1]]
        if words == ["*"] if whole else "*" in words:
            edits += [(tokens[first].start, "['"), (tokens[index].stop + 1, "']")]
        if whole:
            break
        index += 1
    return edits


def _failure(text: Text, offset: int, message: str) -> Refused:
    """Say where it doesn't parse.

    The grammar gives up at the pipe before the operator that it can't read; asked again for that
    operator alone it says where.
    """
    while text.edited[offset : offset + 1] == "|":
        found = _inside_operator(text.edited, offset)
        if found is None or found[0] <= offset:
            break
        offset, message = found
    tokens = _tokens(text.edited)
    position = next((i for i, token in enumerate(tokens) if token.start >= offset), len(tokens))
    previous = tokens[position - 1].text if position else ""
    if position < len(tokens) and {tokens[position].text, previous} <= OPERATORS:
        # It takes an operator's name for a column there and misses what follows (arg-error-01).
        position += 1
    if position == len(tokens):
        line, column = text.place(len(text.edited))
        return parser_failure(line, column, "<EOF>", _AT_THE_END)
    line, column = text.place(tokens[position].start)
    expected = re.search(r"expecting '([^']+)'$", message)
    return parser_failure(
        line, column, tokens[position].text, expected.group(1) if expected else None
    )


class _FirstError:
    """Keeps the first error of a parser's."""

    def __init__(self) -> None:
        self.found: tuple[int, str] | None = None

    def syntaxError(  # noqa: N802 - ANTLR's name
        self, _parser: object, token: Token, _line: int, _column: int, message: str, _error: object
    ) -> None:
        """Note the first."""
        if self.found is None:
            self.found = (token.start, message)

    def reportAmbiguity(self, *_: object) -> None:  # noqa: N802 - ANTLR's name
        """Nothing to say."""

    def reportAttemptingFullContext(self, *_: object) -> None:  # noqa: N802 - ANTLR's name
        """Nothing to say."""

    def reportContextSensitivity(self, *_: object) -> None:  # noqa: N802 - ANTLR's name
        """Nothing to say."""


def _inside_operator(text: str, offset: int) -> tuple[int, str] | None:
    lexer = KqlLexer(InputStream(text[offset:]))
    lexer.removeErrorListeners()
    parser: Any = KqlParser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    errors = _FirstError()
    parser.addErrorListener(errors)
    parser.pipedOperator()
    if errors.found is None:
        return None
    start, message = errors.found
    return offset + start, message


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(part) + 1 for part in lines[: line - 1]) + column
