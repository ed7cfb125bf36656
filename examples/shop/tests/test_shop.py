"""The shop's promises, asked through its own test client; those about workers by real processes."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock
from wsgiref.validate import validator

from flask.testing import FlaskClient

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from shop.catalogue import PRODUCTS  # noqa: E402

import prefork  # noqa: E402
from shop import create_app, database, jobs, live, report, schema  # noqa: E402

PERSON = {"name": "Ada Byron", "email": "ada@example.org", "address": "12 St James's Square\nLondon"}


class Closing(FlaskClient):
    """Reads each answer to its end and closes it, as a server does."""

    def open(self, *args, buffered: bool = True, **kwargs):
        return super().open(*args, buffered=buffered, **kwargs)


class ShopCase(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.data = Path(self.directory.name) / "data"
        self.patch(mock.patch.dict(os.environ, {"SHOP_DATA": str(self.data)}))
        os.environ.pop("PREFORK_STORE_DSN", None)
        self.app = create_app()
        self.app.wsgi_app = validator(self.app.wsgi_app)
        self.app.test_client_class = Closing
        self.app.logger.disabled = True  # /boom is meant to fail; its traceback is not this run's news
        self.client = self.app.test_client()

    def patch(self, patch) -> None:
        patch.start()
        self.addCleanup(patch.stop)

    def text(self, address: str, status: int = 200) -> str:
        answer = self.client.get(address)
        self.assertEqual(answer.status_code, status, answer.text[:300])
        return answer.text

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.text("/products/dinner-fork"))
        assert found
        return found[1]

    def post(self, address: str, /, **fields: str):
        return self.client.post(address, data={"token": self.token(), **fields})

    def order(self, **fields: str):
        return self.client.post("/api/orders", json={"items": {"dinner-fork": 2}, **fields})


class Pages(ShopCase):
    def test_every_product_has_a_page_with_its_picture(self) -> None:
        front = self.text("/")
        for product in PRODUCTS:
            self.assertIn(f"/products/{product.slug}", front)
            self.assertIn(f'aria-label="{product.name}"', self.text(f"/products/{product.slug}"))

    def test_every_page_says_which_worker_served_it(self) -> None:
        with mock.patch("os.getpid", return_value=4711):
            for address in ("/", "/products/pitchfork", "/cart", "/orders", "/lab"):
                self.assertIn("<b>worker 4711</b>", self.text(address))

    def test_pages_allow_nothing_from_elsewhere(self) -> None:
        answer = self.client.get("/lab")
        self.assertIn("default-src 'self'", answer.headers["Content-Security-Policy"])
        self.assertNotRegex(answer.text, r"""(src|href)=["']?(https?:)?//""")
        self.assertNotRegex(answer.text, r"\sstyle=|\son[a-z]+=")

    def test_what_is_missing_is_a_page_for_people_and_json_for_programs(self) -> None:
        self.assertIn("We do not sell this fork", self.text("/products/spoon", 404))
        self.assertIn("There is no such page", self.client.get("/api/spoons").json["error"])
        allowed = self.client.delete("/fast").headers["Allow"]
        self.assertEqual(set(allowed.split(", ")), {"GET", "HEAD", "OPTIONS"})


class Buying(ShopCase):
    def fill(self) -> str:
        self.post("/cart/add", product="dinner-fork", quantity="2")
        found = re.search(r'name="reference" value="([^"]+)"', self.text("/checkout"))
        assert found
        return found[1]

    def test_from_the_cart_to_the_order(self) -> None:
        reference = self.fill()
        self.assertIn("€28.00", self.text("/cart"))
        answer = self.post("/checkout", reference=reference, **PERSON)
        self.assertEqual((answer.status_code, answer.location), (303, "/orders/1"))
        self.assertIn("Thank you, Ada Byron", self.text("/orders/1"))
        self.assertIn("2 × Dinner fork No. 4", self.text("/orders"))
        self.assertIn("no fork in it", self.text("/cart"))

    def test_an_order_sent_twice_is_placed_once(self) -> None:
        reference = self.fill()
        for _ in range(2):
            self.assertEqual(self.post("/checkout", reference=reference, **PERSON).location, "/orders/1")
        self.assertEqual(self.client.get("/api/orders").json["count"], 1)

    def test_a_mistake_is_explained_and_what_was_typed_is_kept(self) -> None:
        answer = self.post("/checkout", reference=self.fill(), **{**PERSON, "email": "ada", "name": "<b>Ada"})
        self.assertEqual(answer.status_code, 422)
        self.assertIn("Please give an e-mail address", answer.text)
        self.assertIn('value="&lt;b&gt;Ada"', answer.text)
        self.assertIn("Square\nLondon</textarea>", answer.text)

    def test_the_cart_changes_and_empties(self) -> None:
        self.post("/cart/add", product="cake-fork", quantity="98")
        self.post("/cart/add", product="cake-fork", quantity="5")
        self.assertIn('value="99"', self.text("/cart"))
        self.post("/cart/change", product="cake-fork", quantity="0")
        self.assertIn("no fork in it", self.text("/cart"))
        self.assertEqual(self.client.get("/checkout").location, "/cart")

    def test_strange_input_is_refused_with_a_sentence(self) -> None:
        for quantity in ("0", "-1", "100", "1.5", "١", "", "9" * 5000):
            answer = self.post("/cart/add", product="cake-fork", quantity=quantity)
            self.assertEqual(answer.status_code, 400, quantity)
            self.assertIn("whole number from 1 to 99", answer.text)
        self.assertEqual(self.post("/cart/add", product="spoon").status_code, 400)
        self.assertEqual(self.post("/checkout", reference="a b").status_code, 400)
        self.assertEqual(self.post("/cart/add", product="x" * 70_000).status_code, 413)

    def test_another_site_cannot_send_our_forms(self) -> None:
        for address in ("/cart/add", "/cart/change", "/checkout"):
            for token in ("", "ü", "guess"):
                answer = self.client.post(address, data={"token": token, "product": "cake-fork"})
                self.assertEqual(answer.status_code, 400)
                self.assertIn("This form has expired", answer.text)

    def test_nobody_sees_the_orders_of_others(self) -> None:
        self.post("/checkout", reference=self.fill(), **PERSON)
        other = self.app.test_client()
        self.assertEqual(other.get("/orders/1").status_code, 404)
        self.assertNotIn("Order 1", other.get("/orders").text)
        for secret in ("Ada", "ada@", "London"):
            self.assertNotIn(secret, other.get("/api/orders").text)

    def test_the_cookie_is_signed_and_kept_from_scripts_and_plain_text(self) -> None:
        cookie = self.client.get("/products/pitchfork").headers["Set-Cookie"]
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Lax", cookie)
        self.assertNotIn("Secure", cookie)
        fresh = self.app.test_client().get("/products/pitchfork", base_url="https://localhost")
        self.assertIn("Secure", fresh.headers["Set-Cookie"])


class Engraving(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.post("/cart/add", product="dinner-fork")
        self.post("/checkout", reference="r1", **PERSON)

    def send(self, content: bytes, name: str = "fork.png", kind: str = "image/png", client=None):
        fields = {"token": self.token(), "file": (io.BytesIO(content), name, kind)}
        return (client or self.client).post("/orders/1/engraving", data=fields, content_type="multipart/form-data")

    def links(self) -> list[str]:
        return re.findall(r'href="(/orders/1/engraving/[^"]+)"', self.text("/orders/1"))

    def test_a_file_comes_back_as_it_was_sent(self) -> None:
        content = os.urandom(300_000)
        self.assertEqual(self.send(content, "für Ada.png").location, "/orders/1")
        self.assertEqual(self.send(content, "again.png").status_code, 303)
        (link,) = self.links()
        with self.client.get(link) as answer:
            self.assertEqual((answer.data, answer.mimetype), (content, "image/png"))
            self.assertIn("filename*=UTF-8''f%C3%BCr%20Ada.png", answer.headers["Content-Disposition"])
            tag = answer.headers["ETag"]
        self.assertEqual(self.client.get(link, headers={"If-None-Match": tag}).status_code, 304)

    def test_what_could_run_in_a_browser_is_saved_and_not_shown(self) -> None:
        self.send(b"<svg/>", "fork.svg", "image/svg+xml")
        with self.client.get(self.links()[0]) as answer:
            self.assertTrue(answer.headers["Content-Disposition"].startswith("attachment"))

    def test_nobody_else_sees_it(self) -> None:
        self.send(b"png")
        other = self.app.test_client()
        self.assertEqual(other.get(self.links()[0]).status_code, 404)
        self.assertEqual(self.client.get("/orders/1/engraving/" + "0" * 64).status_code, 404)
        self.assertEqual(self.send(b"png", client=other).status_code, 400)

    def test_what_is_too_much_or_of_the_wrong_kind_is_refused_with_a_sentence(self) -> None:
        self.assertIn("PNG, JPEG, SVG and PDF", self.send(b"x", "a.html", "text/html").text)
        with mock.patch("shop.engraving.LARGEST", 1000):
            self.assertEqual(self.send(b"x" * 1001).status_code, 413)
            self.assertEqual(self.send(b"x" * 100_000).status_code, 413)
        self.assertEqual(self.post("/orders/1/engraving").status_code, 400)
        self.assertEqual([self.send(b"%d" % n).status_code for n in range(6)], [303] * 5 + [409])
        self.assertEqual(len(self.links()), 5)


class Interface(ShopCase):
    def test_products(self) -> None:
        listed = self.client.get("/api/products").json["products"]
        self.assertEqual([p["slug"] for p in listed], [p.slug for p in PRODUCTS])

    def test_an_order_is_answered_with_its_number_and_listed(self) -> None:
        answer = self.order()
        self.assertEqual((answer.status_code, answer.json), (201, {"order": 1}))
        listed = self.client.get("/api/orders").json
        self.assertEqual(listed["count"], 1)
        order = listed["orders"][0]
        self.assertEqual((order["id"], order["total"], order["items"]), (1, 2800, {"dinner-fork": 2}))

    def test_the_same_reference_is_the_same_order(self) -> None:
        self.assertEqual(self.order(reference="till-1").status_code, 201)
        again = self.order(reference="till-1")
        self.assertEqual((again.status_code, again.json), (200, {"order": 1}))
        self.assertEqual(self.order(reference="till-2").json, {"order": 2})
        self.assertEqual(self.order().json, {"order": 3})
        self.assertEqual(self.order().json, {"order": 4})

    def test_orders_are_listed_page_by_page(self) -> None:
        for _ in range(5):
            self.order()
        page = self.client.get("/api/orders?after=1&limit=3").json["orders"]
        self.assertEqual([order["id"] for order in page], [2, 3, 4])
        for wrong in ("after=x", "after=-1", "limit=0", "limit=1001", f"after={2**63}"):
            self.assertEqual(self.client.get(f"/api/orders?{wrong}").status_code, 400, wrong)

    def test_a_bad_order_is_refused_with_a_sentence(self) -> None:
        for sent in (7, [], {}, {"items": {}}, {"items": {"spoon": 1}}, {"items": {"dinner-fork": 0}},
                     {"items": {"dinner-fork": True}}, {"items": {"dinner-fork": 1}, "reference": 7}):  # fmt: skip
            answer = self.client.post("/api/orders", json=sent)
            self.assertEqual(answer.status_code, 422, sent)
            self.assertTrue(answer.json["error"].endswith("."), answer.json)
        self.assertEqual(self.client.post("/api/orders", data="items=1").status_code, 415)
        broken = self.client.post("/api/orders", data="{", content_type="application/json")
        self.assertEqual(broken.status_code, 422)
        self.assertEqual(self.client.get("/api/orders").json["count"], 0)

    def test_orders_placed_at_once_are_all_kept(self) -> None:
        def buy(number: int) -> int:
            return (
                self.app.test_client()
                .post("/api/orders", json={"items": {"cake-fork": 1}, "reference": f"r{number % 20}"})
                .json["order"]
            )

        with ThreadPoolExecutor(8) as buyers:
            numbers = list(buyers.map(buy, range(40)))
        self.assertEqual(sorted(set(numbers)), list(range(1, 21)))
        self.assertEqual(numbers[:20], numbers[20:])


class Workload(ShopCase):
    def test_who_counts_what_this_process_served(self) -> None:
        first, second = self.client.get("/who").json, self.client.get("/who").json
        self.assertEqual(second["served"], first["served"] + 1)
        self.assertEqual((second["attempt"], second["preloaded"]), (1, False))

    def test_the_fast_page_is_tiny_and_sets_no_cookie(self) -> None:
        answer = self.client.get("/fast")
        self.assertLess(len(answer.data), 100)
        self.assertNotIn("Set-Cookie", answer.headers)

    def test_the_report_has_as_many_pages_as_asked_for(self) -> None:
        answer = self.client.get("/report.pdf?pages=5")
        self.assertEqual(answer.mimetype, "application/pdf")
        self.assertTrue(answer.data.startswith(b"%PDF-"))
        self.assertEqual(len(re.findall(rb"/Type /Page\b(?!s)", answer.data)), 5)
        self.assertEqual(report.PAGES, 100)
        for wrong in ("2", "301", "many", "-5", "９"):
            self.assertIn("whole number from 3 to 300", self.text(f"/report.pdf?pages={wrong}", 400))

    def test_the_export_waits_as_long_as_asked(self) -> None:
        with mock.patch("shop.workload.time.sleep") as sleep:
            self.assertIn("dinner-fork", self.text("/export?seconds=1.5"))
            self.assertIn("dinner-fork", self.text("/export"))
            self.assertEqual([call.args for call in sleep.call_args_list], [(1.5,), (3.0,)])
            for wrong in ("nan", "-1", "61", "inf", "soon"):
                self.assertIn("number from 0 to 60", self.text(f"/export?seconds={wrong}", 400))
        self.assertEqual(sleep.call_count, 2)

    def test_an_exception_is_a_page_and_not_the_end(self) -> None:
        self.assertIn("The shop&#39;s own code failed", self.text("/boom", 500))
        self.assertEqual(self.client.get("/fast").status_code, 200)

    def test_a_crash_kills_its_worker_and_the_second_attempt_is_served(self) -> None:
        code = "from shop import create_app; create_app().test_client().get('/crash')"
        dead = subprocess.run([sys.executable, "-c", code], cwd=HOME, timeout=30)
        self.assertEqual(dead.returncode, -signal.SIGKILL)
        answer = self.client.get("/crash", environ_overrides={"prefork.attempt": 2})
        self.assertEqual(answer.text, "served on the second attempt\n")


class Synchronising(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(mock.patch.multiple(jobs, ARTICLES=250, EFFORT=1))

    def begin(self):
        return self.client.post("/sync", data={"token": self.token()}, headers={"Accept": "application/json"})

    def test_a_visitor_begins_it_and_sees_how_far_it_has_come(self) -> None:
        with mock.patch.object(jobs.synchronise, "defer") as defer:
            self.assertFalse(self.client.get("/sync").json["running"])
            self.assertEqual(self.begin().json, {"sync": 1, "done": 0, "of": 250, "running": True})
            self.assertEqual(self.begin().json["sync"], 1)
            defer.assert_called_once_with(1, connection=None)
        self.assertIn('max="250" value="0"', self.text("/lab"))
        jobs.synchronise(1)
        self.assertEqual(self.client.get("/sync").json, {"sync": 1, "done": 250, "of": 250, "running": False})
        self.assertIn("250 of 250", self.text("/lab"))

    def test_a_run_that_was_killed_goes_on_where_it_was(self) -> None:
        with mock.patch.object(jobs.synchronise, "progress", side_effect=[None, SystemExit]), self.assertRaises(SystemExit):
            jobs.synchronise(1)
        with mock.patch.object(jobs, "pieces", side_effect=jobs.pieces) as asked:
            jobs.synchronise(1)
        self.assertEqual([call.args[0] for call in asked.call_args_list], list(range(200, 250)))

    def test_without_a_database_for_jobs_the_shop_says_so_and_sells(self) -> None:
        answer = self.begin()
        self.assertEqual(answer.status_code, 503)
        self.assertIn("look at our forks meanwhile", answer.json["error"])
        self.assertEqual(self.client.get("/sync").json["sync"], 0)
        self.assertEqual(self.order().status_code, 201)

    def test_open_pages_hear_what_was_counted(self) -> None:
        self.assertNotIn("in stock", self.text("/products/dinner-fork"))
        with mock.patch.object(jobs.synchronise, "defer"):
            self.begin()
        with mock.patch.object(prefork.bus, "publish") as publish:
            jobs.synchronise(1)
            jobs.restock()
        told = [call.args[1:] for call in publish.call_args_list]
        self.assertEqual({channel for channel, _ in told}, {"stock"})
        self.assertEqual([payload["product"] for _, payload in told[:-1]], [product.slug for product in PRODUCTS])
        last = told[-1][1]
        self.assertIn(f"{last['pieces']} in stock", self.text(f"/products/{last['product']}"))
        self.assertIn(f"{last['pieces']} in stock", self.text("/"))
        self.assertEqual(self.client.get("/sync").json["done"], 250, "counting one again is no synchronisation")


class Chat(ShopCase):
    def say(self, who: str, text: str):
        form = {"token": self.token(), "who": who, "text": text}
        return self.client.post("/chat", data=form, headers={"Accept": "application/json"})

    def test_what_is_said_is_kept_and_heard(self) -> None:
        self.assertIn("Nobody has said anything yet", self.text("/chat"))
        with mock.patch.object(prefork.bus, "publish") as publish:
            self.assertEqual(self.say("Ada", " Which  fork? ").json, {"id": 1, "who": "Ada", "text": "Which fork?"})
        publish.assert_called_once_with(None, "chat", {"id": 1, "who": "Ada", "text": "Which fork?"})
        page = self.text("/chat")
        self.assertIn("<b>Ada</b> Which fork?", page)
        self.assertIn('name="who" value="Ada"', page)

    def test_without_a_bus_it_is_kept_all_the_same(self) -> None:
        self.assertEqual(self.say("Ada", "Hello?").status_code, 201)
        self.assertEqual(self.post("/chat", who="Ada", text="Again").headers["Location"], "/chat")
        self.assertEqual([line["text"] for line in self.client.get("/chat/lines").json], ["Hello?", "Again"])

    def test_a_page_that_was_away_asks_for_what_it_missed(self) -> None:
        for number in range(3):
            self.say("Ada", f"line {number}")
        self.assertEqual([line["id"] for line in self.client.get("/chat/lines?after=1").json], [2, 3])
        self.assertEqual(len(self.client.get("/chat/lines?after=none").json), 3)

    def test_what_visitors_say_is_text(self) -> None:
        self.say("<i>Ada</i>", "<script>alert(1)</script>")
        self.assertIn("<b>&lt;i&gt;Ada&lt;/i&gt;</b> &lt;script&gt;", self.text("/chat"))

    def test_nothing_and_too_much_are_refused_with_a_sentence(self) -> None:
        for who, text in (("", "x"), ("Ada", " "), ("Ada", "x" * 501), ("x" * 41, "x"), ("Ada", "a\x00b")):
            answer = self.say(who, text)
            self.assertEqual(answer.status_code, 400)
            self.assertIn("a line of up to 500 characters", answer.json["error"])

    def test_pages_may_listen_to_the_shop_alone(self) -> None:
        self.assertEqual(live.authorize({}, frozenset({"chat", "orders", "stock"})), {"chat", "stock"})


class Database(ShopCase):
    def test_while_it_is_away_forks_are_shown_and_the_rest_is_put_off(self) -> None:
        self.patch(mock.patch("shop.database.engine", side_effect=database.Unavailable("it is being started")))
        for address in ("/", "/products/pitchfork", "/cart", "/lab"):
            self.text(address)
        for answer in (self.order(), self.client.get("/orders"), self.post("/chat", who="Ada", text="Hello?")):
            self.assertEqual((answer.status_code, answer.headers["Retry-After"]), (503, "1"))
            self.assertIn("nothing is ordered twice", answer.text)

    def test_a_database_gets_the_steps_that_it_lacks_once(self) -> None:
        self.order()
        later = "ALTER TABLE orders ADD COLUMN gift integer NOT NULL DEFAULT 0"
        self.patch(mock.patch.object(schema, "STEPS", (*schema.STEPS, later)))
        for _ in range(2):
            with database.transaction() as shop:
                schema.migrate(shop)
        self.assertEqual(database.rows("SELECT id, gift FROM orders"), [{"id": 1, "gift": 0}])

    def test_a_transaction_that_fails_leaves_nothing(self) -> None:
        with self.assertRaises(ZeroDivisionError), database.transaction() as shop:
            shop.exec_driver_sql("INSERT INTO syncs (asked) VALUES (1)")
            raise ZeroDivisionError
        self.assertEqual(database.rows("SELECT id FROM syncs"), [])


class Loading(ShopCase):
    def test_loading_opens_nothing_and_starts_no_thread(self) -> None:
        code = (
            "import os, threading; before = set(os.listdir('/proc/self/fd')); from shop import create_app;"
            "create_app(); print(len(set(os.listdir('/proc/self/fd')) - before), threading.active_count())"
        )
        said = subprocess.run([sys.executable, "-c", code], cwd=HOME, timeout=30, stdout=subprocess.PIPE, check=True)
        self.assertEqual(said.stdout.split(), [b"0", b"1"])
        self.assertFalse((self.data / "shop.db").exists())

    def test_workers_forked_from_the_loaded_shop_place_every_order(self) -> None:
        workers = [self.fork() for _ in range(4)]
        self.assertEqual([os.waitpid(pid, 0)[1] for pid in workers], [0] * 4)
        listed = self.client.get("/api/orders").json
        self.assertEqual([order["id"] for order in listed["orders"]], list(range(1, 41)))

    def fork(self) -> int:
        """Return the pid of a worker that places ten orders and exits 0 if all of them were acknowledged."""
        pid = os.fork()
        if pid:
            return pid
        try:
            placed = [self.order().status_code for _ in range(10)]
            os._exit(0 if placed == [201] * 10 and self.client.get("/who").json["preloaded"] else 1)
        finally:
            os._exit(2)

    def test_a_request_leaves_no_connection_open(self) -> None:
        self.order()
        names = {path.name for path in self.data.iterdir()}
        self.assertEqual(names, {"shop.db"})

    def test_workers_that_start_together_agree(self) -> None:
        fresh, together = self.data / "fresh", threading.Barrier(8)

        def start(_number: int) -> int:
            together.wait()
            return create_app().test_client().get("/api/orders").status_code

        self.patch(mock.patch.dict(os.environ, {"SHOP_DATA": str(fresh)}))
        with ThreadPoolExecutor(8) as workers:
            self.assertEqual(list(workers.map(start, range(8))), [200] * 8)
        self.assertEqual({path.name for path in fresh.iterdir()}, {"shop.db"})

    def test_a_directory_that_cannot_be_is_told_in_one_sentence(self) -> None:
        self.patch(mock.patch.dict(os.environ, {"SHOP_DATA": "/proc/nowhere/shop"}))
        with self.assertRaisesRegex(RuntimeError, "cannot make its data directory .* SHOP_DATA"):
            create_app()


if __name__ == "__main__":
    unittest.main()
