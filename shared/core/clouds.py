"""The clouds of Azure: where each is asked, and for what its tokens are. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogsApi:
    """Where Log Analytics answers queries, and the scope of tokens for it."""

    endpoint: str
    scope: str


@dataclass(frozen=True, slots=True)
class MetricsApi:
    """Where Azure Monitor gives metrics of several resources, and the scope of tokens for it."""

    endpoint: str
    """With `{region}` where the region's name goes."""
    scope: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where Azure Resource Manager is, and the scope of tokens for it."""

    endpoint: str
    scope: str
    logs: LogsApi | None = None
    """None: Azure Resource Manager is to be asked. So for `metrics`."""
    metrics: MetricsApi | None = None


def _metrics(domain: str) -> MetricsApi:
    # The READMEs of azure-monitor-querymetrics 1.0.0 (public and US Government) and of the same
    # library for JavaScript (China).
    host = f"metrics.monitor.azure.{domain}"
    return MetricsApi(f"https://{{region}}.{host}", f"https://{host}/.default")


CLOUDS = {
    # azure-core 1.41.0's AzureClouds and the endpoints that azure-mgmt-core 1.6.0 gives them; for
    # logs azure-monitor-docs, logs/api/access-api.md (2025-08-29, whose host and audience differ),
    # and for the other clouds azure-cli-core's cloud.py and docs.azure.cn, logs/api/access-api.
    "AZURE_PUBLIC_CLOUD": Cloud(
        "https://management.azure.com",
        "https://management.azure.com/.default",
        LogsApi("https://api.loganalytics.azure.com", "https://api.loganalytics.io/.default"),
        _metrics("com"),
    ),
    "AZURE_US_GOVERNMENT": Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        LogsApi("https://api.loganalytics.us", "https://api.loganalytics.us/.default"),
        _metrics("us"),
    ),
    "AZURE_CHINA_CLOUD": Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        LogsApi("https://api.loganalytics.azure.cn", "https://api.loganalytics.azure.cn/.default"),
        _metrics("cn"),
    ),
}


def read_cloud(text: str) -> Cloud:
    """Return the cloud of a name, in any letter case. Raises ValueError."""
    if text.upper() in CLOUDS:
        return CLOUDS[text.upper()]
    raise ValueError
