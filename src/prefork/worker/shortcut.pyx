# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What `shortcut.py` is, in C: the same steps in the same order, without objects for what is only figures and bytes.

Where code is compiled it takes the place of that.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_Update
from cpython.exc cimport PyErr_CheckSignals
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import os
import sys
from io import BytesIO
from types import SimpleNamespace

from prefork import lending, scoreboard
from prefork.http.framing import date_line
from prefork.lending import NEWS
from prefork.messages import send as say
from prefork.kernel import since_received
from prefork.worker.borrowing import GRAIN
from prefork.worker.borrowing import MOMENT as A_MOMENT
from prefork.worker.borrowing import PAIR as THE_PAIR
from prefork.worker.heads import frame
from prefork.worker.hosts.wsgi import Call, key_of, respond
from prefork.worker.http import fail
from prefork.worker.known import LONGEST_KNOWN
from prefork.worker.reply import Reply
from prefork.worker.stamps import RESIDENT_EVERY, resident

cdef extern from *:
    """
    #define _GNU_SOURCE
    #include <stdint.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <time.h>

    /* One aligned store each, in the order of the program: what another process sees is what has been done. */
    static inline void put(uint64_t *words, int index, uint64_t value) {
        __atomic_store_n(words + index, value, __ATOMIC_RELEASE);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
    static inline uint64_t get(uint64_t *words, int index) { return __atomic_load_n(words + index, __ATOMIC_ACQUIRE); }

    static inline int64_t clock_of(clockid_t clock) {
        struct timespec now;
        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    static inline int wait_for(int epoll, int milliseconds, int *key) {
        struct epoll_event event = {0};
        int found = epoll_wait(epoll, &event, 1, milliseconds);
        *key = event.data.fd;
        return found;
    }
    static inline ssize_t send_both(int client, const void *head, size_t lines, const void *body, size_t size, int flags) {
        struct iovec parts[2] = {{(void *)head, lines}, {(void *)body, size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        return sendmsg(client, &message, flags);
    }
    static inline ssize_t length_of_head(PyObject *data, ssize_t size) {
        const char *bytes = PyBytes_AS_STRING(data), *end = memmem(bytes, size, "\\r\\n\\r\\n", 4);
        return end ? end + 4 - bytes : size;
    }
    /* The form of a head, as `repertoire.form_of` makes it: returns its size, 0 where it has more blanks than there are kinds. */
    enum { WORD = 1, LIST = 2, KINDS = 3 };
    struct blank { const char *value; ssize_t size; };
    static const struct { const char *name; int size, of; } kinds[KINDS] = {
        {"x-forwarded-for:", 16, WORD | LIST}, {"x-real-ip:", 10, WORD | LIST}, {"x-request-id:", 13, WORD},
    };
    static unsigned char letters[256];
    static void learn_letters(void) {
        const char *words = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+/=@-";
        while (*words) letters[(unsigned char)*words++] = WORD;
        letters[','] = letters[' '] = LIST;
    }
    static inline int begins(const char *line, const char *name) {
        for (; *name; line++, name++)
            if ((*line >= 'A' && *line <= 'Z' ? *line | 32 : *line) != *name) return 0;
        return 1;
    }
    static inline ssize_t form_of(const char *data, ssize_t size, char *form, struct blank *blanks, int *count) {
        const char *end = data + size, *line = data, *done = data, *value, *stop;
        char *place = form;
        *count = 0;
        while ((line = memchr(line, '\\n', end - line)) && ++line < end) {
            if ((*line | 32) != 'x' || line - data < 2 || line[-2] != '\\r') continue;
            for (int kind = 0; kind < KINDS; kind++) {
                if (end - line <= kinds[kind].size || !begins(line, kinds[kind].name)) continue;
                value = line + kinds[kind].size;
                value += *value == ' ';
                for (stop = value; stop < end && letters[(unsigned char)*stop] & kinds[kind].of; stop++);
                if (stop == value || stop - value > 128 || *value == ' ' || stop[-1] == ' ') break;
                if (end - stop < 2 || stop[0] != '\\r' || stop[1] != '\\n') break;
                if (*count == KINDS) return 0;
                blanks[*count].value = value;
                blanks[(*count)++].size = stop - value;
                memcpy(place, done, value - done);
                place += value - done;
                done = line = stop;
                break;
            }
        }
        memcpy(place, done, end - done);
        place += end - done;
        if (*count) *place++ = (char)*count;
        return place - form;
    }
    /* `lending.FIXED` */
    struct __attribute__((packed)) receipt {
        uint32_t room; uint8_t flags; uint16_t status; uint32_t key, size;
        uint64_t number, wait, began, service, sent, cpu;
        uint32_t queries; uint64_t sql; uint8_t client, request_id; uint16_t tag, asked;
    };
    """
    ctypedef int clockid_t
    int CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL
    void put(uint64_t *words, int index, uint64_t value) nogil
    uint64_t get(uint64_t *words, int index) nogil
    long long clock_of(clockid_t clock) nogil
    int wait_for(int epoll, int milliseconds, int *key) nogil
    ssize_t length_of_head(object data, ssize_t size)
    ssize_t recv(int client, void *place, size_t size, int flags) nogil
    ssize_t send(int client, const void *data, size_t size, int flags) nogil
    ssize_t send_both(int client, const void *head, size_t lines, const void *body, size_t size, int flags) nogil
    int KINDS
    struct blank:
        const char *value
        ssize_t size
    void learn_letters()
    ssize_t form_of(const char *data, ssize_t size, char *form, blank *blanks, int *count) nogil
    struct receipt:
        uint32_t room, key, size, queries
        uint8_t flags, client, request_id
        uint16_t status, tag, asked
        uint64_t number, wait, began, service, sent, cpu, sql

cdef enum:
    SMALL = 4096  # bytes of an answer that are joined before they are sent
    LARGE = 65536  # bytes that take so long to be sent that other threads have their turn meanwhile
    FORM = 1024  # bytes of a head that may be known
    ASKED = 1536  # bytes that a receipt may tell of a head here
    RECORD = 2048  # and all of it
    LONG_WAY, WHOLE, REST  # how an answer is sent: not here, all of it, or its beginning

cdef int REQUEST = scoreboard.REQUEST, BEGUN_AT = scoreboard.BEGUN_AT, REQUESTS = scoreboard.REQUESTS, SIZE = scoreboard.SIZE
cdef int CPU_AT = scoreboard.CPU_AT, RESIDENT_AT = scoreboard.RESIDENT_AT, LOAN = scoreboard.LOAN, TAKEN = scoreboard.TAKEN
cdef int HALTED = scoreboard.HALTED, CAME_AT = scoreboard.CAME_AT, NEXT_AT = scoreboard.NEXT_AT
cdef int WRITTEN = lending.WRITTEN, ENTERED = lending.ENTERED, PAIR = THE_PAIR, MOMENT = A_MOMENT
cdef long long LOANED = lending.LOANED, ROOM = lending.ROOM, RING = lending.RING, TOLD = lending.TOLD
cdef long long LARGEST = lending.LARGEST
cdef long long COARSE = GRAIN, WEIGH_EVERY = RESIDENT_EVERY
cdef int LASTS = lending.LASTS, ASKS_REPLACEMENT = lending.ASKS_REPLACEMENT, OLD_HTTP = lending.OLD_HTTP
cdef uint64_t RECEIVED = scoreboard.pack_progress(0, scoreboard.RECEIVED), BEGUN = scoreboard.pack_progress(0, scoreboard.BEGUN)
cdef uint64_t WRITING = scoreboard.pack_progress(0, scoreboard.WRITING, 0, False, True), KEEP = scoreboard.pack_progress(0, 0, 0, True)
cdef uint64_t DONE = scoreboard.pack_progress(0, scoreboard.DONE)
# Room for them in an environ that is copied: it need not grow then.
cdef tuple ADDED = (
    "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "HTTP_X_REQUEST_ID", "wsgi.input", "wsgi.errors", "prefork.tag"
)
cdef bytes FIRST = b"X-Request-ID: ", LAST = b"\r\n\r\n"
# What a call is to its application when its answer is out: an error where it begins another one, and what it writes nobody gets.
cdef object OUT = Call(SimpleNamespace(begun=True, write=lambda data: None))
OUT.given = ("", [])
if sys.byteorder != "little":
    raise ImportError("receipts are little-endian here")
assert sizeof(receipt) == lending.FIXED.size
assert FORM == LONGEST_KNOWN and KINDS == 3
learn_letters()


cdef class Ready:
    """What is made of a head that is known: an environ to copy, the keys of what is filled in, which of that tells the client and the
    request's name, and what an answer's head and a receipt say of it.
    """

    cdef dict environ
    cdef list keys
    cdef int chain, name
    cdef str method, version
    cdef bytes asked
    cdef int flags
    cdef bint keep
    cdef ssize_t length


cdef class End:
    """Both ends of a connection: the socket's descriptor, what an environ says of them, the heads that are known of its peer, by their
    forms, and the address of that for a receipt.
    """

    cdef object loan
    cdef int descriptor
    cdef dict environ, heads
    cdef bytes address


cdef class Turn:
    """One call of the application: what it has said through start_response and of itself, and what was sent.

    `call` is the same call on the long way, once that is taken. `code` is the status once all of the answer is on its way: whatever
    the application says of it from then on is too late. `spent` is the processor time before, in nanoseconds. `client` and `name` are
    for the receipt, the latter empty where it follows from the number.
    """

    cdef Shortcut shortcut
    cdef int key
    cdef long long number, began, spent
    cdef bytes data, tagged, client, name
    cdef object status, headers, call
    cdef int code
    cdef bint keep
    cdef ssize_t sent

    def start_response(self, status, headers, exc_info=None):
        """As that of `wsgi.Call`."""
        if self.call is None and self.status is None and exc_info is None:
            self.status, self.headers = status, headers
            return self.write
        return self.general().start_response(status, headers, exc_info)

    def write(self, data):
        """As that of `wsgi.Call`."""
        self.general().write(data)

    def tag(self, text):
        """As that of `Reply`."""
        if self.call is not None:
            self.call.reply.tag(text)
        else:
            self.tagged = self.shortcut.desk.slot.set_tag(self.number, text)

    cdef general(self):
        if self.code:
            return OUT
        if self.call is None:
            self.call = self.shortcut.call(self)
        return self.call


cdef class Shortcut:
    """Its `take` stands in the place of the borrower's: what is common is answered by the time it returns.

    `application` is called as PEP 3333 says, and its host does nothing around it. The desk clocks its process.
    """

    cdef object borrower, desk, application, counted, loans, answered, clients
    cdef dict ends
    cdef str prefix
    cdef uint8_t[::1] memory
    cdef unsigned long long[::1] slot
    cdef uint64_t *words
    cdef uint64_t *told
    cdef uint8_t *ring
    cdef int epoll
    cdef ssize_t largest
    cdef long long count, served, spent, came, following, idle_at, weighed, limit
    cdef bint waited

    def __init__(self, borrower, desk, application):
        self.borrower, self.desk, self.application = borrower, desk, application
        self.counted, self.limit = desk.counted, desk.limit
        self.loans, self.answered = borrower.loans, borrower.answered
        self.ends = {}  # by the keys of their connections
        self.slot, self.memory = desk.slot.words, borrower.memory
        self.words = <uint64_t *>&self.slot[0]
        self.ring = &self.memory[self.memory.shape[0] - RING]
        self.told = <uint64_t *>(self.ring - TOLD)
        self.epoll = borrower.epoll.fileno()

    def take(self):
        """The next request that goes the long way, once there is one; None as of a borrower."""
        cdef int found, key
        borrower = self.borrower
        if not self.loans:
            borrower.waited = True
            return None
        self.clients, self.prefix, self.largest = borrower.heads.clients, borrower.identity.prefix, min(FORM, borrower.largest)
        self.came, self.following = borrower.came, borrower.following
        self._come()
        try:
            while True:
                PyErr_CheckSignals()
                found = wait_for(self.epoll, 0, &key)
                if found == 0:
                    self.waited, self.idle_at = True, clock_of(CLOCK_MONOTONIC)
                    with nogil:
                        found = wait_for(self.epoll, -1, &key)
                if found < 0:
                    if errno == EINTR:
                        continue
                    raise OSError(errno, os.strerror(errno))
                if key == PAIR:
                    return None
                loan = self.loans.get(key)
                if loan is None:  # as for a borrower
                    if borrower.speaks.poll(MOMENT):
                        return None
                elif self._is_behind(key):
                    return None
                elif (request := self._read(key, loan)) is not None:
                    return request
        finally:
            self._go()

    cdef _come(self):
        """Take over what both ways count."""
        self.count, self.waited, self.idle_at = self.borrower.count, self.borrower.waited, self.borrower.idle_at
        self.served, self.spent = self.desk.served, self.desk.spent

    cdef _go(self):
        """Leave it to the long way."""
        self.borrower.count, self.borrower.waited, self.borrower.idle_at = self.count, self.waited, self.idle_at
        self.desk.served, self.desk.spent = self.served, self.spent

    cdef bint _is_behind(self, int key) except -1:
        cdef long long came = get(self.words, CAME_AT), following = self.following
        if came != self.came:
            return came < <long long>self.answered[key] and bool(self.borrower.speaks.poll(0))
        if following == 0:
            return False
        self.borrower.following = self.following = 0
        return following < <long long>self.answered[key] and bool(self.borrower.speaks.poll(MOMENT))

    cdef _read(self, int key, loan):
        """Read what has arrived, and answer it; a request that goes the long way is returned."""
        cdef uint64_t *words = self.words
        cdef uint64_t before = get(words, REQUEST)
        cdef long long number = LOANED + self.count + 1
        cdef ssize_t size, head
        cdef bytes data
        cdef blank[3] blanks
        cdef Ready ready
        cdef End end = self.ends.get(key)
        if end is None or end.loan is not loan:
            if len(self.ends) > 2 * len(self.loans):  # most of them have gone back
                self.ends.clear()
            end = self.ends[key] = end_of(loan)
        put(words, TAKEN, 0)
        put(words, LOAN, key)
        put(words, REQUEST, number << 16 | RECEIVED)
        if get(words, HALTED):
            put(words, REQUEST, before)
            self.borrower.speaks.poll(MOMENT)
            return None
        size = recv(end.descriptor, &self.memory[0], ROOM, MSG_DONTWAIT)
        if size < 0:
            if errno == EAGAIN:
                put(words, REQUEST, before)
                return None
            size = 0
        put(words, TAKEN, size)
        data = PyBytes_FromStringAndSize(<char *>&self.memory[0], size)
        head = length_of_head(data, size)
        ready = ready_for(end, data, head, blanks) if head <= self.largest else None
        if ready is None or ready.length != size - head or not self._has_room():
            self._go()
            request = self.borrower.received(key, loan, number, size)
            self._come()
            return request
        self.count += 1
        self._answer(key, number, data, head, end, ready, blanks)
        return None

    cdef _answer(self, int key, long long number, bytes data, ssize_t head, End end, Ready ready, blank *blanks):
        """Have the application answer, in the steps of `Desk.answer`."""
        cdef Turn turn = Turn.__new__(Turn)
        cdef str name
        cdef int way, each
        if ready.name < 0:
            name, turn.name = f"{self.prefix}-{number - LOANED}", b""
        else:
            name = text_of(blanks + ready.name)
            turn.name = name.encode()
        turn.shortcut, turn.key, turn.number, turn.data, turn.tagged = self, key, number, data, b""
        turn.began = clock_of(CLOCK_MONOTONIC)
        if turn.began - self.weighed > WEIGH_EVERY:
            self.weighed = turn.began
            put(self.words, RESIDENT_AT, resident())
        # Where nothing was waited for in between, what was spent since the last answer was for reading this request.
        turn.spent = self.spent if self.spent and not self.waited else clock_of(CLOCK_PROCESS_CPUTIME_ID)
        put(self.words, CPU_AT, turn.spent)
        put(self.words, BEGUN_AT, turn.began)
        put(self.words, REQUEST, number << 16 | BEGUN)
        cdef dict surroundings = PyDict_Copy(ready.environ)
        PyDict_Update(surroundings, end.environ)
        turn.client = end.address
        for each, environ_key in enumerate(ready.keys):
            if environ_key is not None:
                surroundings[environ_key] = text_of(blanks + each)
        if ready.chain >= 0 and (client := self.clients(text_of(blanks + ready.chain))):
            surroundings["REMOTE_ADDR"], surroundings["REMOTE_PORT"] = client, "0"
            turn.client = client.encode()
        surroundings["HTTP_X_REQUEST_ID"] = name
        surroundings["wsgi.input"] = BytesIO(data[head:]) if ready.length else BytesIO()
        surroundings["wsgi.errors"] = sys.stderr
        surroundings["prefork.tag"] = turn.tag
        try:
            result = self.application(surroundings, turn.start_response)
            way = self._send(turn, end, ready, result, name)
            if way == LONG_WAY:
                respond(result, turn.general())
        except BaseException as error:
            reply = turn.general().reply
            fail(reply.request, reply, error)
            way = LONG_WAY
        if way == WHOLE:
            self._account(turn, end, ready)
            return
        reply = turn.general().reply
        self._go()
        self.desk.settle(reply.request, reply, self.desk.ended(reply) - turn.spent, self.borrower)
        self._come()

    cdef call(self, Turn turn):
        """A turn as a call that goes the long way, by a request as it would have been read there."""
        self._go()
        loan = self.loans[turn.key]
        request = self.borrower.understand(turn.key, loan, turn.data, turn.number)
        self.borrower.size = len(turn.data)
        self.desk.rest.owner = self.borrower
        call = Call(Reply(request, loan.client, self.desk.rest, self.desk.slot))
        call.reply.words = turn.tagged
        if turn.status is not None:
            call.given = turn.status, turn.headers
        return call

    cdef int _send(self, Turn turn, End end, Ready ready, result, str name) except -1:
        """Send what an application has returned, where that is one part of bytes."""
        cdef char joined[SMALL]
        cdef char *place = joined
        cdef bytes body, start, text
        cdef ssize_t lines, length, sent
        cdef int code, flags
        if turn.call is not None or type(result) not in (list, tuple) or len(result) != 1 or type(turn.headers) is not list:
            return LONG_WAY
        part = result[0]
        if not PyBytes_CheckExact(part):
            return LONG_WAY
        body = part
        length = PyBytes_GET_SIZE(body)
        try:
            code, left, chunked, keep, start, dated, named = frame(
                turn.status, tuple(turn.headers), length, ready.method, ready.version, ready.keep
            )
        except (TypeError, ValueError):  # as there
            return LONG_WAY
        if chunked or dated or named or left != length or PyBytes_GET_SIZE(start) > SMALL - 512:
            return LONG_WAY
        for text in (start, date_line(), FIRST, name.encode(), LAST):
            memcpy(place, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            place += PyBytes_GET_SIZE(text)
        lines = place - joined
        put(self.words, SIZE, lines + length)
        put(self.words, REQUEST, turn.number << 16 | <uint64_t>code << 5 | (KEEP if keep else 0) | WRITING)
        turn.code, turn.keep = code, keep
        # The end of a connection goes with the last answer, as soon as that is in the accounts.
        flags = MSG_DONTWAIT | MSG_NOSIGNAL | (0 if keep else MSG_MORE)
        if lines + length <= SMALL:
            memcpy(place, PyBytes_AS_STRING(body), length)
            sent = send(end.descriptor, joined, lines + length, flags)
        elif length < LARGE:
            sent = send_both(end.descriptor, joined, lines, PyBytes_AS_STRING(body), length, flags)
        else:
            place = PyBytes_AS_STRING(body)
            with nogil:
                sent = send_both(end.descriptor, joined, lines, place, length, flags)
        if sent == lines + length:
            turn.sent = sent
            return WHOLE
        turn.code = 0
        if sent <= 0:
            return LONG_WAY  # nobody has anything of it: it is said again there
        reply = turn.general().reply
        reply.take_up(turn.status, turn.headers, length)
        reply.go_on((joined[:lines], body), sent)
        return REST

    cdef _account(self, Turn turn, End end, Ready ready):
        """The answer has ended: say so in the slot, and leave a receipt."""
        cdef uint8_t record[RECORD]
        cdef receipt *told = <receipt *>record
        cdef long long spent, waited = turn.began - max(<long long>self.answered[turn.key], self.idle_at)
        cdef long long now
        cdef int flags
        cdef ssize_t size = sizeof(receipt)
        cdef bytes text
        self.served += 1
        put(self.words, REQUESTS, self.served)
        put(self.words, REQUEST, turn.number << 16 | <uint64_t>turn.code << 5 | (KEEP if turn.keep else 0) | DONE)
        spent = clock_of(CLOCK_PROCESS_CPUTIME_ID)
        now = clock_of(CLOCK_MONOTONIC)
        if waited > COARSE:  # as in `Borrower._waited`
            waited = min(waited, <long long>since_received(end.loan.client) - (now - turn.began))
        flags = (LASTS if turn.keep else 0) | (ASKS_REPLACEMENT if next(self.counted) >= self.limit else 0)
        told.flags = ready.flags | flags
        told.status, told.key, told.size, told.number = turn.code, turn.key, len(turn.data), turn.number
        told.wait, told.began, told.service = max(0, waited), turn.began, now - turn.began
        told.sent, told.cpu = turn.sent, spent - turn.spent
        told.queries = told.sql = 0
        told.client, told.request_id = len(turn.client), len(turn.name)
        told.tag, told.asked = len(turn.tagged), len(ready.asked)
        for text in (turn.client, turn.name, turn.tagged, ready.asked):
            memcpy(record + size, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            size += PyBytes_GET_SIZE(text)
        told.room = (size + 7) & ~7
        memset(record + size, 0, told.room - size)
        self._leave(record, told.room)
        self.waited, self.spent = False, spent
        if turn.keep:
            self.answered[turn.key] = now
        else:
            self.borrower.let_go(turn.key, False)
            del self.ends[turn.key]
        if flags & ~LASTS:
            say(self.borrower.pair, bytes((NEWS,)))

    cdef bint _has_room(self):
        """As that of `Till`."""
        return <long long>(get(self.told, WRITTEN) - get(self.told, ENTERED)) <= RING - 2 * LARGEST

    cdef _leave(self, uint8_t *record, long long size):
        """As `Till.put` and a borrower's `leave`; `_has_room` was asked before."""
        cdef long long written = get(self.told, WRITTEN)
        cdef long long waiting = written - <long long>get(self.told, ENTERED) + size
        cdef long long place = written % RING, left = 0
        if place + size > RING:
            left = RING - place
            place = 0
        if left:
            memset(self.ring + RING - left, 0, left)
        memcpy(self.ring + place, record, size)
        put(self.told, WRITTEN, written + left + size)
        waiting += left
        if waiting - size <= RING // 2 < waiting:
            say(self.borrower.pair, bytes((NEWS,)))


cdef str text_of(blank *filled):
    """What a blank is filled in with."""
    return PyUnicode_DecodeASCII(filled.value, filled.size, NULL)


cdef Ready ready_for(End end, bytes data, ssize_t head, blank *blanks):
    """What is made of a head, by its form, and what its blanks are filled in with; None where it goes the long way."""
    cdef char[FORM + 1] form
    cdef int count
    cdef ssize_t size
    size = form_of(PyBytes_AS_STRING(data), head, form, blanks, &count)
    if size == 0:
        return None
    if count == 0 and head == PyBytes_GET_SIZE(data):
        known = end.heads.get(data)
    else:
        known = end.heads.get(PyBytes_FromStringAndSize(form, size))
    return None if known is None else ready_of(known)


cdef Ready ready_of(known):
    """What a head is answered with here; None where it goes the long way: for good, or the next time, which makes its environ."""
    cdef Ready ready
    memo = known.memo
    found = memo.get("shortcut")
    if found is None and "environ" in memo:
        head, asked = known.head, known.asked
        ready = Ready.__new__(Ready)
        ready.method, ready.version, ready.asked = head.method, head.version, asked
        ready.flags, ready.keep = 0 if head.version == "1.1" else OLD_HTTP, head.keep
        ready.environ = {**memo["environ"], **dict.fromkeys(ADDED)}
        ready.keys = [key_of(known.headers[place][0]) if place in memo["blanks"] else None for place in known.places]
        ready.chain, ready.name = known.chain, known.name
        ready.length = -1 if head.length is None else head.length
        common = ready.length >= 0 and head.method != "HEAD" and len(asked) <= ASKED
        found = memo["shortcut"] = ready if common else False
    return found or None


cdef End end_of(loan):
    cdef End end = End.__new__(End)
    end.loan, end.descriptor, end.address = loan, loan.client.fileno(), loan.peer[0].encode()
    end.heads = loan.heads.kept
    end.environ = {
        "SERVER_NAME": loan.local[0],
        "SERVER_PORT": str(loan.local[1]),
        "REMOTE_ADDR": loan.peer[0],
        "REMOTE_PORT": str(loan.peer[1]),
    }
    return end
