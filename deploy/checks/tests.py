"""promtool's tests of the alerts, and that they are worth something."""

import re
import tempfile
from pathlib import Path

from .common import DEPLOY, alerts, documents, failures, run, text


def alert_rules():
    yield from failures("promtool test rules", run("promtool", "test", "rules", DEPLOY / "prometheus/alerts_test.yml"))


def each_alert_fires():
    tests = text("prometheus/alerts_test.yml")
    for rule in alerts():
        if f'{{alertname="{rule["alert"]}"}}' not in tests:
            yield f"alerts_test.yml: {rule['alert']} fires in no test"


def tests_can_fail():
    """Without any rule each test in which something fires fails."""
    rules, count = re.subn(
        r"(        expr: )(?:\|\n(?:          .*\n)+|.*\n)", "\\g<1>vector(0) > 1\n", text("prometheus/alerts.yml"))
    tests = documents("prometheus/alerts_test.yml")[0]["tests"]
    expected = sum(
        bool(check.get("exp_samples") or check.get("exp_alerts"))
        for test in tests for check in test.get("promql_expr_test", []) + test.get("alert_rule_test", []))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "alerts.yml").write_text(rules)
        Path(folder, "alerts_test.yml").write_text(text("prometheus/alerts_test.yml"))
        result = run("promtool", "test", "rules", f"{folder}/alerts_test.yml")
    said = result.stdout + result.stderr
    failed = len(re.findall(r"^\s+(?:expr|alertname): ", said, re.MULTILINE))
    if count != len(alerts()) or failed != expected:
        yield f"with {count} of {len(alerts())} rules taken out, {failed} of {expected} tests fail"


CHECKS = [alert_rules, each_alert_fires, tests_can_fail]
