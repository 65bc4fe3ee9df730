"""prometheus.yml: whom to ask, how, and which rules to apply."""

from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.workload import ServiceAddress
from stackgen.engines.prometheus.options import PrometheusOptions
from stackgen.engines.prometheus.watched import Watched

RULES: Final = PurePosixPath("/etc/prometheus/rules.yml")


def config(options: PrometheusOptions, watched: tuple[Watched, ...]) -> dict[str, Any]:
    """The whole file."""
    alerting = {"alertmanagers": [{"static_configs": [{"targets": list(options.alertmanagers)}]}]}
    return {
        "global": {
            "scrape_interval": f"{options.scrape_interval}s",
            "evaluation_interval": f"{options.scrape_interval}s",
        },
        "rule_files": [str(RULES)],
        **({"alerting": alerting} if options.alertmanagers else {}),
        "scrape_configs": [
            *(_job(one) for one in watched),
            *(
                {"job_name": name, "static_configs": [{"targets": list(addresses)}]}
                for name, addresses in sorted(options.targets.items())
            ),
        ],
    }


def _job(one: Watched) -> dict[str, Any]:
    scrape = one.scrape
    labels = {"service": one.service.name, "host": one.service.host.name}
    labels |= {key: value for key, value in scrape.parameters if key == "model"}
    return {
        "job_name": one.job,
        "metrics_path": scrape.path,
        **({"params": {key: [value] for key, value in scrape.parameters}} if scrape.parameters else {}),
        **({"authorization": {"credentials_file": str(one.key_file)}} if one.key else {}),
        "static_configs": [{"targets": [ServiceAddress(service=one.service.name)], "labels": labels}],
    }
