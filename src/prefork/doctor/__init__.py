"""What is wrong with a server and with what stands around it.

`probes` gather evidence: files, processes, a site through its proxy, a database. `checks` are pure: each looks at the evidence that
its arguments name and says pass, warn or fail, with what it saw and a fix to paste. Nothing here changes anything.
"""

from prefork.doctor.examine import Report, examine
from prefork.doctor.gather import Asked, gather

__all__ = ["Asked", "Report", "examine", "gather"]
