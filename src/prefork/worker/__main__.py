"""Where the template begins: run as a script by the application's interpreter, which need not have Prefork installed.

It makes `prefork` importable as a package without a path entry, so that nothing else of Prefork's environment is seen by the
application, and takes this script's own folder off the path: its `http` must not stand in for Python's.
"""

import os
import sys

if __name__ == "__main__":
    own = __file__.rpartition("/")[0]
    if sys.path and sys.path[0] in {own, os.path.realpath(own)}:  # Python follows links for it, such as /opt/prefork to a version
        del sys.path[0]

    if sys.version_info < (3, 9):  # noqa: UP036 - this is the place that finds out
        sys.exit(f"prefork: the application's Python {sys.version.split()[0]} is too old, 3.9 or newer is needed (option python)")

    import importlib.util

    root = own.rpartition("/")[0]
    spec = importlib.util.spec_from_file_location("prefork", root + "/__init__.py", submodule_search_locations=[root])
    assert spec
    assert spec.loader
    package = sys.modules["prefork"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)

    if sys.argv[1] == "compiled":
        from prefork import compiled

        compiled.prefer()

    from prefork.worker.template import main

    sys.exit(main(int(sys.argv[2])))
