"""When people are told: once when it begins, once when it is over, never in between."""

from hypothesis import given
from hypothesis import strategies as st

from prefork.instances import alerts
from prefork.instances.alerts import CALM, Alert, advance
from prefork.instances.database import Database
from prefork.instances.rules import RULES, Condition

USAGE = Condition("usage", "", "88 % of 4 workers were busy")
CRITICAL = Condition("critical", "", "99 % of 4 workers were busy")
SHEDDING = Condition("shedding", "", "7 requests were refused")


class Watch:
    """Looks every ten seconds, and notes who is told what, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alerts: list[Alert] = []
        self.told: list[tuple[float, str, str]] = []

    def see(self, *found: Condition, seconds: float = 10.0, judged: set[str] | None = None) -> None:
        until = self.now + seconds
        while self.now < until:
            step = advance("default", self.alerts, found, set(RULES) if judged is None else judged, self.now)
            self.alerts = step.alerts
            self.told += [(self.now, "raised", alert.rule) for alert in step.raised]
            self.told += [(self.now, "over", alert.rule) for alert in step.over]
            self.now += 10.0


def test_what_lasts_is_told_when_it_has_lasted() -> None:
    watch = Watch()
    watch.see(USAGE, seconds=600)
    assert watch.told == []
    watch.see(USAGE, seconds=600)
    assert watch.told == [(600.0, "raised", "usage")], "once"


def test_what_does_not_last_is_never_told() -> None:
    watch = Watch()
    for _ in range(10):
        watch.see(USAGE, seconds=590)
        watch.see()
    assert (watch.told, watch.alerts) == ([], [])


def test_the_recovery_is_told_once_it_has_been_calm() -> None:
    watch = Watch()
    watch.see(SHEDDING)
    watch.see(seconds=CALM + 20)
    assert watch.told == [(0.0, "raised", "shedding"), (10.0 + CALM, "over", "shedding")]
    assert watch.alerts == []


def test_what_flickers_is_one_alert() -> None:
    watch = Watch()
    for _ in range(50):
        watch.see(SHEDDING)
        watch.see(seconds=CALM - 10)
    assert watch.told == [(0.0, "raised", "shedding")]


def test_the_worse_one_speaks_for_the_lesser() -> None:
    watch = Watch()
    watch.see(USAGE, CRITICAL, seconds=1000)
    assert watch.told == [(120.0, "raised", "critical")]
    watch.see(USAGE, seconds=CALM + 20)
    assert [(what, rule) for _, what, rule in watch.told[1:]] == [("raised", "usage"), ("over", "critical")]


def test_what_nobody_can_see_stays_as_it_is() -> None:
    watch = Watch()
    watch.see(SHEDDING)
    watch.see(seconds=2 * CALM, judged={"unreachable"})
    assert [(alert.rule, alert.state) for alert in watch.alerts] == [("shedding", "raised")]
    assert len(watch.told) == 1


def test_each_subject_is_an_alert_of_its_own() -> None:
    watch = Watch()
    watch.see(Condition("job_failing", "a", "a fails"), Condition("job_failing", "b", "b fails"))
    assert [alert.subject for alert in watch.alerts] == ["a", "b"]
    assert len(watch.told) == 2


@given(st.lists(st.sampled_from([(), (SHEDDING,), (USAGE,), (USAGE, CRITICAL), (CRITICAL, SHEDDING)]), max_size=200))
def test_of_each_rule_raised_and_over_take_turns(seen: list[tuple[Condition, ...]]) -> None:
    watch = Watch()
    for found in seen:
        watch.see(*found, seconds=60)
    for rule in RULES:
        said = [what for _, what, of in watch.told if of == rule]
        assert said == ["raised", "over"] * (len(said) // 2) + ["raised"] * (len(said) % 2)


def test_a_clock_that_is_set_back_puts_off_no_alert() -> None:
    watch = Watch()
    watch.now = 7200.0
    watch.see(USAGE, seconds=60)
    watch.now = 0.0
    watch.see(USAGE, seconds=RULES["usage"].after + 20)
    assert [what for _, what, _ in watch.told] == ["raised"]
    watch.now = 7200.0
    watch.see(seconds=20)
    watch.now = 0.0
    watch.see(seconds=CALM + 20)
    assert [what for _, what, _ in watch.told] == ["raised", "over"]


def test_an_alert_by_a_rule_of_a_newer_release_is_nobodys(db: Database) -> None:
    step = advance("default", [], [SHEDDING], set(RULES), 100.0)
    alerts.keep(db, step.raised[0])
    for over in ("NULL", "200.0"):
        db.change(
            "INSERT INTO alerts (instance_id, rule, subject, level, text, state, began_at, changed_at, raised_at, over_at) "
            f"VALUES ('default', 'tides', '', 'warning', 'high water', 'raised', 1, 1, 1, {over})"
        )
    assert [alert.rule for alert in alerts.current(db, "default")] == ["shedding"]
    assert alerts.past(db, "default") == []


def test_what_was_raised_outlives_the_console(db: Database) -> None:
    step = advance("default", [], [SHEDDING], set(RULES), 100.0)
    (kept,) = (alerts.keep(db, alert) for alert in step.raised)
    assert alerts.current(db, "default") == [kept]
    assert alerts.past(db, "default") == []
    step = advance("default", alerts.current(db, "default"), [], set(RULES), 200.0)
    alerts.keep(db, step.alerts[0])
    assert [alert.state for alert in alerts.current(db, "default")] == ["clearing"]
    step = advance("default", alerts.current(db, "default"), [], set(RULES), 200.0 + CALM)
    alerts.keep(db, step.over[0])
    assert alerts.current(db, "default") == []
    (over,) = alerts.past(db, "default")
    assert (over.id, over.raised, over.over, over.level) == (kept.id, 100.0, 200.0 + CALM, "critical")
    assert alerts.past(db, "default", before=over.id) == []
    alerts.forget(db, 500.0 + alerts.KEPT + 1)
    assert alerts.past(db, "default") == []
