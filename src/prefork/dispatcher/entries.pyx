# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The usual receipts, entered in C: of one answer after others on a connection that goes on, to a head that was told of before.

In compiled form only. What else a receipt may say is entered by `receipts.py`, in its turn, and nothing is entered otherwise than
there. Receipts come out of the application's process: nothing that one says is an address, or a length that is not compared.
"""

import struct
import sys
import time

from cpython.buffer cimport PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from prefork import histogram, lending, scoreboard, trace
from prefork.dispatcher import fairness

ctypedef volatile uint64_t word  # each is stored at once, for those who read it meanwhile

cdef packed struct Fixed:  # as lending.FIXED
    uint32_t room
    uint8_t flags
    uint16_t status
    uint32_t key
    uint32_t size
    uint64_t number
    uint64_t wait
    uint64_t began
    uint64_t service
    uint64_t sent
    uint64_t cpu
    uint32_t queries
    uint64_t sql
    uint8_t client
    uint8_t request_id
    uint16_t tag
    uint16_t asked

cdef packed struct Sample:  # as trace.RECORD
    uint64_t arrived
    uint32_t wait
    uint32_t service
    uint32_t cpu
    uint16_t lane
    uint16_t workers

if sizeof(Fixed) != lending.FIXED.size or sizeof(Sample) != trace.RECORD.size or sys.byteorder != "little":
    raise ImportError("receipts look otherwise here")

cdef enum:
    BLOCK = 4096  # bytes of lines that are written at once: a pipe takes as many whole
    FIGURES = 192  # bytes that all numbers of a line take at the most, with what stands between them
    EDGES = 256

cdef uint64_t MOST = 1 << 48  # of any figure: 78 hours, a quarter of a petabyte
cdef uint8_t LASTS = lending.LASTS, OLD_HTTP = lending.OLD_HTTP
cdef uint64_t LOANED = lending.LOANED
cdef Py_ssize_t KNOWN = 512  # heads
cdef double WEIGHT = fairness.WEIGHT
cdef uint32_t LONGEST = trace.LONGEST
cdef Py_ssize_t TRACE_HEAD = trace.HEAD
cdef Py_ssize_t WORDS = scoreboard.WORDS, RESIDENT_AT = scoreboard.RESIDENT_AT
cdef Py_ssize_t DISPATCHER = scoreboard.DISPATCHER, ANSWERED = scoreboard.ANSWERED, CLASSES = scoreboard.CLASSES
cdef Py_ssize_t LANE_WORDS = scoreboard.LANE_WORDS, LANES_AT = scoreboard.LANES_AT
cdef Py_ssize_t ARRIVED = scoreboard.ARRIVED, LENT = scoreboard.LENT, WAITED = scoreboard.WAITED, SERVED = scoreboard.SERVED
cdef Py_ssize_t WAITS = scoreboard.WAITS, SERVICES = scoreboard.SERVICES
cdef Py_ssize_t ROUTE_WORDS = scoreboard.ROUTE_WORDS, ROUTES_AT = scoreboard.ROUTES_AT
cdef Py_ssize_t ENDED = scoreboard.ENDED, ERRORS = scoreboard.ERRORS, CPU = scoreboard.CPU, SENT = scoreboard.SENT
cdef Py_ssize_t GROWTH = scoreboard.GROWTH, ROUTE_WAITED = scoreboard.ROUTE_WAITED, ROUTE_SERVED = scoreboard.ROUTE_SERVED
cdef Py_ssize_t ROUTE_WAITS = scoreboard.ROUTE_WAITS, ROUTE_SERVICES = scoreboard.ROUTE_SERVICES

cdef double edges[EDGES]
cdef Py_ssize_t inner = len(histogram.INNER)
if inner > EDGES:
    raise ImportError("a histogram has more buckets than there is room for")
for number, edge in enumerate(histogram.INNER):
    edges[number] = edge


cdef Py_ssize_t bucket(double seconds) noexcept nogil:
    """As histogram.bucket."""
    cdef Py_ssize_t low = 0, high = inner, middle
    while low < high:
        middle = (low + high) // 2
        if seconds < edges[middle]:
            high = middle
        else:
            low = middle + 1
    return low


cdef uint32_t microseconds(double seconds) noexcept nogil:
    """As a sample has them."""
    cdef double found = seconds * 1e6
    return LONGEST if found >= LONGEST else <uint32_t>found


cdef char *put(char *at, const char *text, Py_ssize_t size) noexcept nogil:
    """Put a text there; returns what is behind it."""
    memcpy(at, text, size)
    return at + size


cdef char *put_number(char *at, uint64_t number) noexcept nogil:
    """The same for a number."""
    cdef char digits[20]
    cdef Py_ssize_t first = 20
    while True:
        first -= 1
        digits[first] = <char>(48 + number % 10)
        number //= 10
        if not number:
            return put(at, digits + first, 20 - first)


cdef char *put_text(char *at, bytes text) noexcept:
    """The same for an object."""
    return put(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef char *put_milliseconds(char *at, uint64_t nanoseconds) except NULL:
    """The same for milliseconds with one digit behind the point, as `lines.told` rounds them.

    What is not half-way between two tenths is further from there than seconds and milliseconds in floating point are from what they
    stand for, up to MOST.
    """
    cdef uint64_t tenths = nanoseconds // 100_000, over = nanoseconds % 100_000
    cdef double seconds
    cdef bytes text
    if over == 50_000:
        seconds = nanoseconds / 1e9
        text = f"{seconds * 1e3:.1f}".encode()
        return put_text(at, text)
    if over > 50_000:
        tenths += 1
    at = put_number(at, tenths // 10)
    at[0] = b"."
    at[1] = <char>(48 + tenths % 10)
    return at + 2


cdef void compare(bytes piece) except *:
    """Raise struct.error, as `lending.unpack_receipts` does, unless there are whole receipts up to its end or a size of 0."""
    cdef Py_ssize_t start = 0, size = PyBytes_GET_SIZE(piece)
    cdef Fixed one
    while more(piece, start):
        if size - start < <Py_ssize_t>sizeof(Fixed):
            raise struct.error("a receipt is longer than there is room for")
        memcpy(&one, PyBytes_AS_STRING(piece) + start, sizeof(Fixed))
        if one.room < sizeof(Fixed) + one.client + one.request_id + one.tag + one.asked or one.room > size - start:
            raise struct.error("a receipt is longer than its size, or than there is room for")
        start += one.room


cdef bint more(bytes piece, Py_ssize_t start) noexcept:
    """Whether there is a receipt, or what should be one."""
    cdef Py_ssize_t left = PyBytes_GET_SIZE(piece) - start
    cdef uint32_t room = 0
    if left >= 4:
        memcpy(&room, PyBytes_AS_STRING(piece) + start, 4)
    return room != 0 or 0 < left < 4


cdef bint plain(const char *text, Py_ssize_t size) noexcept:
    """Whether it is of printable ASCII, without spaces, and so says the same in a line as in a receipt."""
    cdef Py_ssize_t each
    for each in range(size):
        if not b"!" <= text[each] <= b"~":
            return False
    return True


cdef class Usual:
    """What is known of a head: the beginning of its line behind the client, and the end, and its route's number, -1 where that is yet to
    be found.
    """

    cdef object method, target
    cdef bytes asking, more
    cdef bint excluded
    cdef Py_ssize_t route


cdef class Memory:
    """Memory of somebody else's, as long as this is there."""

    cdef Py_buffer view
    cdef char *at

    def __cinit__(self, memory: object) -> None:
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        self.at = <char *>self.view.buf

    def __dealloc__(self) -> None:
        PyBuffer_Release(&self.view)


cdef class Entries:
    """Enters a worker's receipts, together with `receipts`. From `_begin` to `_end` nothing else runs: what the dispatcher alone
    looks at is kept here meanwhile.
    """

    cdef object receipts, traffic, accounts, ledger, bills, routes, pace
    cdef Memory board, samples
    cdef Py_ssize_t size  # samples that there is room for
    cdef dict usual
    cdef object known, unlogged  # what routes and exclusions were found in
    cdef object worker, loans, connections, read
    cdef bint begun, busy, loop, same, logs
    cdef uint64_t exchange, heard, resident, count
    cdef Py_ssize_t lane, route
    cdef uint16_t workers
    cdef word *slot
    cdef double now, spent, fetched
    cdef bytes opening, worker_name, prefix  # what stands in each line, the last one where a request has no other name
    cdef char block[BLOCK]
    cdef Py_ssize_t filled, lines  # bytes and lines of it that are yet to be written

    def __init__(self, receipts: object) -> None:
        self.receipts = receipts
        self.traffic = receipts.traffic
        self.accounts = self.traffic.accounts
        self.ledger, self.bills, self.pace = self.accounts.ledger, self.accounts.bills, self.accounts.pace
        self.routes = self.bills.routes
        self.board = Memory(self.accounts.scoreboard.memory)
        self.samples = Memory(self.accounts.trace.memory)
        self.size = self.accounts.trace.size
        self.usual = {}

    def enter(self, worker: object, loans: object, pieces: list) -> None:
        """Enter all receipts in pieces of memory. Raises struct.error, before any is entered, where there is something else."""
        cdef bytes piece
        for piece in pieces:
            compare(piece)
        try:
            self._begin(worker, loans)
            for piece in pieces:
                self._enter_all(piece)
        finally:
            self._end()

    cdef int _enter_all(self, bytes piece) except -1:
        """Enter the receipts of one piece, in their order."""
        cdef const char *data = PyBytes_AS_STRING(piece)
        cdef Py_ssize_t start = 0, left = 0
        cdef Fixed one
        cdef Usual usual
        while more(piece, start):
            memcpy(&one, data + start, sizeof(Fixed))
            connection = self._connection(&one)
            usual = None if connection is None else self._find(&one, data + start + sizeof(Fixed))
            if usual is None:
                start += one.room  # it goes with those behind it that are as unusual
            elif left < start:
                self._elsewhere(piece[left:start])
                left = start  # that may have changed everything: look at this one again
            else:
                self._enter(connection, usual, &one, data + start + sizeof(Fixed))
                start += one.room
                left = start
        if left < start:
            self._elsewhere(piece[left:start])
        return 0

    cdef int _elsewhere(self, bytes piece) except -1:
        """Have these entered in the general way."""
        worker, loans = self.worker, self.loans
        self._end()
        self.receipts.enter(worker, piece)
        self._begin(worker, loans)
        return 0

    cdef int _begin(self, worker: object, loans: object) except -1:
        """Find out what is the same for all receipts until one is entered elsewhere."""
        answers, journal, exchange = self.traffic.answers, self.traffic.journal, worker.exchange
        number, lane = worker.number, self.traffic.lanes.rest
        if not (0 <= number < scoreboard.SLOTS and 0 <= lane < scoreboard.LANES):
            raise IndexError(number, lane)
        self.worker, self.loans, self.connections, self.read = worker, loans, loans.lent, loans.read
        self.busy, self.exchange = exchange is not None, 0 if exchange is None else exchange.number
        self.loop = worker.loop is not None
        self.lane, self.workers = lane, len(self.accounts.workers)
        self.slot = <word *>self.board.at + <Py_ssize_t>number * WORDS
        pid, self.route, self.resident = self.bills.last.get(number, (0, 0, 0))
        self.same = pid == worker.pid
        self.now, self.spent, self.fetched, self.count = time.monotonic(), self.ledger.spent, self.pace.fetched, 0
        self.heard = 0
        self.logs = answers.options.access_log
        self.opening = journal.lines.opening().encode()
        self.worker_name, self.prefix = f" {worker.name} ".encode(), f"{loans.prefix}-".encode()
        if self.logs and (not journal.writes_own or len(self.opening) + len(self.worker_name) + len(self.prefix) > BLOCK // 4):
            self.connections = {}  # each line is made of an event
        if self.known is not self.routes.known or self.unlogged is not answers.unlogged:
            self.usual.clear()
            self.known, self.unlogged = self.routes.known, answers.unlogged
        self.begun = True
        return 0

    cdef int _end(self) except -1:
        """Tell what was kept here."""
        if not self.begun:
            return 0
        self.begun = False
        if self.count:
            self.ledger.spent, self.pace.fetched = self.spent, self.fetched
            self.pace.count += self.count
            self.bills.last[self.worker.number] = (self.worker.pid, self.route, self.resident)
            if not self.loop:
                self.loans.heard(self.heard)
        self._write()
        return 0

    cdef int _write(self) except -1:
        """Hand the lines on."""
        if self.filled:
            block, lines = PyBytes_FromStringAndSize(self.block, self.filled), self.lines
            self.filled = self.lines = 0
            self.traffic.journal.told(block, lines)
        return 0

    cdef object _connection(self, Fixed *one):
        """The connection of a receipt that says nothing unusual by itself, else None."""
        if one.flags & ~(OLD_HTTP | LASTS) or one.tag or one.queries:
            return None
        if one.number < LOANED or (self.busy and one.number == self.exchange) or one.began < one.wait:
            return None
        if one.began >> 62 or one.wait > MOST or one.service > MOST or one.sent > MOST or one.cpu > MOST:
            return None
        return self.connections.get(one.key)

    cdef Usual _find(self, Fixed *one, const char *texts):
        """What is known of a receipt's head, None where nothing is. `texts` follow the figures that say how long they are."""
        cdef Py_ssize_t words = one.client + one.request_id
        cdef Usual usual
        if not plain(texts, words):
            return None
        mark = PyBytes_FromStringAndSize(texts + words, one.asked)
        usual = self.usual.get(mark)
        if usual is not None:
            return usual
        told = self.receipts.known.get((mark, one.flags & OLD_HTTP))
        if told is None:
            return None
        usual = Usual.__new__(Usual)
        usual.method, usual.target, usual.route = told.head.method, told.head.target, -1
        usual.asking, usual.more = told.asking.encode(), told.more.encode() + b"\n"
        usual.excluded = self.unlogged.find(usual.target) is not None
        if PyBytes_GET_SIZE(usual.asking) + PyBytes_GET_SIZE(usual.more) > BLOCK // 2:
            return None
        if len(self.usual) >= KNOWN:
            self.usual.clear()
        self.usual[mark] = usual
        return usual

    cdef int _enter(self, object connection, Usual usual, Fixed *one, const char *texts) except -1:
        """Enter a receipt."""
        cdef Py_ssize_t route = usual.route
        if route < 0:
            route = self._route(usual, one.status)
        self.read[one.key] += one.size
        if self.loop:
            self.loans.heard(one.number)
        self.heard = max(self.heard, one.number)
        self.fetched -= self.fetched * WEIGHT
        self.count += 1
        self._account(route, one)
        if self.logs and (one.status >= 400 or not usual.excluded):
            self._tell(usual, one, texts)
        connection.loan.answered(one.sent, self.now)
        if not one.flags & LASTS:
            self.receipts.end(self.loans, connection, False)
        return 0

    cdef Py_ssize_t _route(self, Usual usual, uint16_t status) except -1:
        """The number of its route. Learning one may fold others, and none is where it was then."""
        cdef Py_ssize_t route = self.routes.of(usual.method, usual.target, learn=status < 400 or status >= 500)
        if self.routes.known is not self.known:
            self.known = self.routes.known
            self.usual.clear()
        elif route:
            usual.route = route
        return route

    cdef void _account(self, Py_ssize_t route, Fixed *one) noexcept:
        """Into the words of lane, route and dispatcher, and among the samples."""
        cdef word *words = <word *>self.board.at
        cdef word *lane = words + LANES_AT + self.lane * LANE_WORDS
        cdef word *routed = words + ROUTES_AT + route * ROUTE_WORDS
        cdef word *counters = words + DISPATCHER * WORDS
        cdef double wait = one.wait / 1e9, service = one.service / 1e9
        cdef Py_ssize_t waits = bucket(wait), services = bucket(service)
        cdef uint64_t resident = self.slot[RESIDENT_AT]
        lane[ARRIVED] += 1
        lane[LENT] += 1
        lane[WAITS + waits] += 1
        lane[WAITED] += one.wait
        lane[SERVICES + services] += 1
        lane[SERVED] += one.service
        self.spent += service
        if self.same and resident and resident != self.resident:
            words[ROUTES_AT + self.route * ROUTE_WORDS + GROWTH] += resident - self.resident
        self.same, self.route, self.resident = True, route, resident
        routed[CPU] += one.cpu
        routed[SENT] += one.sent
        if one.status >= 500:
            routed[ERRORS] += 1
        routed[ENDED] += 1
        routed[ROUTE_WAITED] += one.wait
        routed[ROUTE_WAITS + waits] += 1
        routed[ROUTE_SERVED] += one.service
        routed[ROUTE_SERVICES + services] += 1
        counters[ANSWERED] += 1
        if 200 <= one.status < 600:
            counters[CLASSES - 2 + one.status // 100] += 1
        if self.size:
            self._sample(one, wait, service)

    cdef void _sample(self, Fixed *one, double wait, double service) noexcept:
        """As trace.Trace.note does it."""
        cdef word *written = <word *>self.samples.at
        cdef uint64_t count = written[0]
        cdef Sample sample
        sample.arrived = <uint64_t>((one.began - one.wait) / 1e9 * 1e6)
        sample.wait, sample.service = microseconds(wait), microseconds(service)
        sample.cpu = <uint32_t>min(one.cpu // 1000, <uint64_t>LONGEST)
        sample.lane, sample.workers = <uint16_t>self.lane, self.workers
        memcpy(self.samples.at + TRACE_HEAD + count % self.size * sizeof(Sample), &sample, sizeof(Sample))
        written[0] = count + 1

    cdef int _tell(self, Usual usual, Fixed *one, const char *texts) except -1:
        """Its line of the access log, as lines.told makes it."""
        cdef char *at
        cdef Py_ssize_t words = len(self.opening) + len(usual.asking) + len(self.worker_name) + len(self.prefix) + len(usual.more)
        if self.filled + words + one.client + one.request_id + FIGURES > BLOCK:
            self._write()
        at = put_text(self.block + self.filled, self.opening)
        at = put(at, texts, one.client)
        at = put_text(at, usual.asking)
        at = put_number(put(at, " ", 1), one.status)
        at = put_number(put(at, " ", 1), one.sent)
        at = put_milliseconds(put(at, " wait=", 6), one.wait)
        at = put_milliseconds(put(at, "ms service=", 11), one.service)
        at = put_milliseconds(put(at, "ms cpu=", 7), one.cpu)
        at = put_text(put(at, "ms", 2), self.worker_name)
        if one.request_id:
            at = put(at, texts + one.client, one.request_id)
        else:
            at = put_number(put_text(at, self.prefix), one.number - LOANED)
        at = put_text(at, usual.more)
        self.filled = at - self.block
        self.lines += 1
        return 0
