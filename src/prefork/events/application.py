"""The application's code: loaded, reloaded, and watched for changes (option `dev`)."""

from __future__ import annotations

from prefork.events.event import Event


class TemplateLoaded(Event):
    """The template has imported the application and can fork workers. `interface` is empty where nobody knows it yet."""

    generation: int
    seconds: float
    preloaded: bool
    interface: str
    wording = "Template of generation {generation} is ready after {seconds} s (preloaded: {preloaded}, interface: {interface})"


class TemplateFailed(Event):
    """The application could not be imported, or its interpreter could not be started."""

    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Template of generation {generation} failed: {reason}"


class PreloadUnsafe(Event):
    """Importing the application started threads or opened connections, which a fork would break."""

    generation: int
    threads: tuple[str, ...]
    sockets: tuple[str, ...]
    fallback: str
    level = "warning"
    wording = "The import left threads [{threads}] and connections [{sockets}], which do not survive a fork: {fallback}"


class ReloadStarted(Event):
    """A reload began."""

    generation: int
    wording = "Reload: generation {generation} is loaded beside the one that serves"


class ReloadDone(Event):
    """All workers are of the new generation."""

    generation: int
    seconds: float
    wording = "Reload: generation {generation} serves, {seconds} s after the request to reload"


class ReloadFailed(Event):
    """The new code or settings were refused; the old ones go on serving."""

    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Reload failed, generation {generation} goes on serving: {reason}"


class RestartNeeded(Event):
    """Changed options that a reload cannot apply."""

    options: tuple[str, ...]
    level = "warning"
    wording = "Changed in the configuration, but applied at the next start only: {options}"


class Watching(Event):
    """From now on changes of the application's files are noticed (option `dev`)."""

    files: int
    directory: str
    wording = "Watching {directory} for changes, files: {files}"


class FilesChanged(Event):
    """Files of the application, or the configuration file, have changed (option `dev`): a reload follows."""

    files: tuple[str, ...]
    wording = "Changed: {files}"


class ChangeAwaited(Event):
    """The first loading failed (option `dev`): the server goes on, and loads the code again when a file changes."""

    directory: str
    wording = "Nothing serves yet: waiting for a change in {directory}"


class WatcherFailed(Event):
    """Changes of files are not noticed (option `dev`) until the watcher works again."""

    reason: str
    delay: float
    level = "warning"
    wording = "Changes are not noticed, it is tried again in {delay} s: {reason}"
