"""Where the watcher's process begins: one inherited descriptor, the master's channel, whose first message says what to watch.

The kernel's notices only ring the bell; what has changed is found by looking. So nothing is lost while the watches are renewed
because a directory has come.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

from watchfiles import watch

from prefork.kernel import set_title
from prefork.orders import take_orders
from prefork.watcher.tree import Look, Tree

if TYPE_CHECKING:
    from prefork.channel import Channel

STEP = 100  # milliseconds without a further change, after which those so far are told
LONGEST = 2000  # milliseconds that changes are collected, however many more come
NAMED = 5  # changed files that the log names; of more it gives the number
QUIET = 1000  # milliseconds after which new watches are sure to be there


class Dismissed:
    """Set when the master has closed the channel; it never says anything after its first message."""

    def __init__(self, channel: Channel) -> None:
        self.poll = select.poll()
        self.poll.register(channel.wire, select.POLLIN)

    def is_set(self) -> bool:
        """Asked by watchfiles at each of its steps."""
        return bool(self.poll.poll(0))


def follow(tree: Tree, channel: Channel) -> None:
    """Tell the master of changes until it wants no more. Raises OSError when the system does not watch so much."""
    dismissed = Dismissed(channel)
    seen = tree.look()
    channel.send("watching", files=len(seen.files))
    while not dismissed.is_set():
        try:
            seen = follow_folders(tree, seen, channel, dismissed)
        except FileNotFoundError:  # a directory has gone between look and watch
            seen = told(tree, seen, channel)


def follow_folders(tree: Tree, seen: Look, channel: Channel, dismissed: Dismissed) -> Look:
    """Watch the directories that there are, until there are others; returns the last look."""
    fresh = True
    notices = watch(
        *seen.folders,
        watch_filter=None,
        debounce=LONGEST,
        step=STEP,
        stop_event=dismissed,
        rust_timeout=QUIET,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    )
    watched = seen.folders
    for changes in notices:
        # Without any directory there are no notices: the application's own has gone, perhaps for a moment.
        if fresh or not watched or any(tree.concerns(path) for _, path in changes):
            fresh = False
            seen = told(tree, seen, channel)
            if seen.folders != watched:
                break
    return seen


def told(tree: Tree, seen: Look, channel: Channel) -> Look:
    """Look again, tell what has changed, and return the new look."""
    look = tree.look()
    if changed := look.changed(seen):
        channel.send("changed", files=changed[:NAMED], count=len(changed))
    return look


def main() -> None:
    """Watch until the master wants it no more."""
    channel, orders, _ = take_orders(int(sys.argv[1]))
    set_title("prefork: watcher")
    try:
        follow(Tree(orders["root"], orders["data_dir"], tuple(orders["files"])), channel)
    except OSError as error:
        channel.send("failed", reason=str(error))


if __name__ == "__main__":
    main()
