/* The least that an HTTP server can do: for each head that comes whole, one answer of fixed bytes. Nothing is parsed.
 *
 *     echo PORT
 *
 * Two processes, each with a socket of its own on the port and an epoll. The first one ends the other when it is ended.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\nServer: echo\r\n" \
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-ID: 0123456789\r\n"
#define BODY "\r\nHello, world!\n"
static const char KEPT[] = HEAD BODY, CLOSED[] = HEAD "Connection: close\r\n" BODY;

static int listening(int port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        exit(1);
    return listener;
}

static void watch(int poller, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

static void answer(int client) {
    char data[16384];
    ssize_t size = recv(client, data, sizeof data, 0);
    if (size <= 0) {
        close(client);
        return;
    }
    if (!memmem(data, size, "Connection: close", 17)) {
        send(client, KEPT, sizeof KEPT - 1, MSG_NOSIGNAL);
        return;
    }
    send(client, CLOSED, sizeof CLOSED - 1, MSG_NOSIGNAL);
    close(client);
}

int main(int count, char **words) {
    if (count != 2)
        return 2;
    pid_t first = getpid();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != first)
            return 1;
    }
    int one = 1, listener = listening(atoi(words[1])), poller = epoll_create1(0);
    struct epoll_event events[64];
    watch(poller, listener);
    for (;;) {
        int found = epoll_wait(poller, events, 64, -1);
        for (int each = 0; each < found; each++) {
            if (events[each].data.fd != listener) {
                answer(events[each].data.fd);
                continue;
            }
            int client = accept(listener, NULL, NULL);
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            watch(poller, client);
        }
    }
}
