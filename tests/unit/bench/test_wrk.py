"""Reading wrk's report."""

from drive import read_wrk

QUIET = """Running 2s test @ http://127.0.0.1:20000/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.07ms  205.11us   9.80ms   95.02%
  30214 requests in 2.00s, 3.11MB read
Requests/sec:  15106.81
Transfer/sec:      1.55MB
"""


def test_requests_and_rate() -> None:
    assert read_wrk(QUIET) == {"requests": 30214.0, "rate": 15106.81, "errors": 0.0}


def test_every_kind_of_error_counts() -> None:
    troubled = QUIET + "  Socket errors: connect 1, read 20, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"
    assert read_wrk(troubled)["errors"] == 33.0


def test_a_report_without_figures_is_no_request() -> None:
    assert read_wrk("unable to connect to 127.0.0.1:20000 Connection refused\n") == {"requests": 0.0, "rate": 0.0, "errors": 0.0}
