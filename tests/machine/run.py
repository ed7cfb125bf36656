"""Boots a Debian machine in QEMU, with control groups of version 2 and of version 1, and checks what needs a systemd of its own:

    .venv/bin/python tests/machine/run.py [2|1] [ROOM…]

fuse and guard (`fuses`), the unit that is rendered, under its restrictions (`rendered`), the service that docs/operate.md makes
(`documented`), and what a console runs (`instances`). Debian's archive and the registry of packages are reached as this machine is
set up to; the installed system is kept in build/machine. Software emulation, so that it runs anywhere: ten minutes for both boots.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/machine"
TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "debootstrap": "debootstrap", "mke2fs": "e2fsprogs"}
PACKAGES = "systemd-sysv,dbus,python3,python3-venv,linux-image-cloud-amd64,initramfs-tools,util-linux,procps,kmod,udev,logrotate"
LIBRARIES = ("click", "rich", "markdown_it", "mdurl", "pygments", "httptools", "websockets")
# What takes processor time, and the login that would take the console away.
NOISE = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "logrotate.timer",
)
NOISE += ("getty@tty1.service", "serial-getty@ttyS0.service", "systemd-networkd.service")
BOOTS = {2: (), 1: ("systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller")}
LONGEST = 3600  # seconds of a boot with all its checks


def missing() -> list[str]:
    """What keeps this from running here."""
    found = [f"{tool} (apt-get install {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if os.geteuid() != 0:
        found.append("root, which debootstrap needs")
    if sys.version_info[:2] != (3, 11):
        found.append("Python 3.11, that of the machine, whose libraries are taken from here")
    return found


def install() -> Path:
    """A Debian system in a directory, made once, with the units of now."""
    system = BUILD / "system"
    made = BUILD / "installed"
    if not made.exists() or made.read_text() != PACKAGES:
        shutil.rmtree(system, ignore_errors=True)
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", system], check=True)
        subprocess.run(["chroot", system, "useradd", "-r", "-m", "site"], check=True)
        made.write_text(PACKAGES)
    (system / "etc/systemd/system.conf.d").mkdir(exist_ok=True)
    (system / "etc/systemd/system.conf.d/patient.conf").write_text("[Manager]\nDefaultTimeoutStartSec=600\n")  # it is slow
    units = system / "etc/systemd/system"
    for name in NOISE:
        link(units / name, "/dev/null")
    link(units / "multi-user.target.wants/payload.service", "../payload.service")
    shutil.copy(HERE / "payload.service", units)
    return system


def link(path: Path, target: str) -> None:
    """Have a unit masked or wanted."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def pack() -> Path:
    """What the machine is to run: the sources of now, their libraries, and the checks."""
    payload = BUILD / "payload"
    shutil.rmtree(payload, ignore_errors=True)
    shutil.copytree(HERE, payload)
    shutil.copytree(ROOT / "src", payload / "src")
    libraries = Path(sys.prefix, "lib/python3.11/site-packages")
    topology = HERE / "hardened.toml"
    subprocess.run([sys.executable, "-m", "prefork", "render", topology, "--out", payload / "rendered"], check=True)
    command = payload / "bin/prefork"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nPYTHONPATH=/payload/site:/payload/src exec /usr/bin/python3 -m prefork "$@"\n')
    command.chmod(0o755)
    for name in LIBRARIES:
        shutil.copytree(libraries / name, payload / "site" / name)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", payload / "src", payload / "site"], check=True
    )  # it is only read there
    shutil.copy(ROOT / "docs/operate.md", payload)
    bring(payload / "wheels")
    return payload


def bring(wheels: Path) -> None:
    """Prefork of now as a wheel, and what it needs, for a machine without a network."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], cwd=ROOT, check=True)
    (wheel,) = wheels.glob("prefork-*.whl")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", "-d", wheels, "-c", ROOT / "constraints.txt", f"{wheel}[console,postgres]"], check=True)


def disk(directory: Path, size: str) -> Path:
    """An image of a directory."""
    image = directory.with_suffix(".img")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", directory, image, size], check=True)
    return image


def boot(system: Path, disks: list[Path], words: tuple[str, ...]) -> str:
    """What the machine has said on its console until it was switched off."""
    (kernel,), (first,) = (list((system / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd.img"))
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072"]
    command += ["-nographic", "-no-reboot", "-nic", "none", "-kernel", str(kernel), "-initrd", str(first)]
    command += ["-append", " ".join(["root=/dev/vda rw console=ttyS0 quiet panic=-1 psi=1", *words])]
    for image in disks:
        command += ["-drive", f"file={image},format=raw,if=virtio,snapshot=on"]
    said = ""
    with subprocess.Popen(
        ["timeout", str(LONGEST), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as machine:
        assert machine.stdout
        for line in machine.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            said += line
    return said


def holds(version: int, said: str) -> bool:
    """Whether the machine came to its end and found nothing wrong."""
    return re.search(rf"machine: version {version}, \d+ checks, failed: none", said) is not None


def main() -> int:
    """Boot with the versions that are named, or with both, for the rooms that are; the exit status is 0 when all checks hold."""
    if lacking := missing():
        sys.stderr.write("".join(f"test-machine: this needs {each}\n" for each in lacking))
        return 1
    system = install()
    named = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    rooms = [each for each in sys.argv[1:] if not each.isdecimal()]
    words = (f"checks={','.join(rooms)}",) if rooms else ()
    disks = [disk(system, "2G"), disk(pack(), "600M")]
    failed = [each for each in named or BOOTS if not holds(each, boot(system, disks, (*BOOTS[each], *words)))]
    sys.stdout.write(f"test-machine: {f'failed with version {failed}' if failed else 'every check holds'}\n")
    return bool(failed)


sys.exit(main())
