"""A Slurm of one node, without systemd and on the loopback alone, whose every file lies in one folder.

Two partitions share the node: jobs of `high` have those of `low` saved and put back, and 75 asks for that too.
Nothing keeps accounts.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
CONF = """\
ClusterName=one
SlurmctldHost={node}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MpiDefault=none
ReturnToService=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=20
MinJobAge=3600
MailProg=/bin/true
RequeueExit=75
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes={node} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes={node} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def lacking() -> str:
    """Why there can be none here; empty where there can."""
    missing = [each for each in PROGRAMS if shutil.which(each, path=_path()) is None]
    if missing:
        return f"needs {', '.join(missing)} (Debian: slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "needs root, as whom Slurm starts jobs"


class Cluster:
    """Started by `with`; `environment` is what commands need to find it."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.node = folder, socket.gethostname().partition(".")[0]
        self.environment = {**os.environ, "PATH": _path(), "SLURM_CONF": f"{folder}/slurm.conf"}
        self._cpus = cpus

    def __enter__(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        ports = [_free() for _ in range(2)]
        conf = CONF.format(
            node=self.node, user=getpass.getuser(), folder=self.folder, controller=ports[0], daemon=ports[1],
            cpus=self._cpus,
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(conf)
        key = self.folder / "munge.key"
        self._do("mungekey", "--create", f"--keyfile={key}")
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        placed = [f"--{option}={self.folder}/munge.{name}" for option, name in files.items()]
        self._do("munged", "--force", f"--key-file={key}", *placed)
        self.start("slurmctld")
        self.start("slurmd")
        self._wait(lambda: "idle" in self.said("sinfo", "--noheader", "--format=%T"))
        return self

    def __exit__(self, *_):
        subprocess.run(["scancel", f"--user={getpass.getuser()}"], env=self.environment, check=False)
        for name in ("slurmd", "slurmctld", "munge"):
            self.kill(name, signal.SIGTERM)

    def start(self, name):
        """A daemon, again after a kill: it reads its state."""
        options = ["-N", self.node] if name == "slurmd" else []
        self._do(name, *options)

    def kill(self, name, how=signal.SIGKILL):
        """End a daemon by the number that it wrote."""
        try:
            number = int((self.folder / f"{name}.pid").read_text())
            os.kill(number, how)
            self._wait(lambda: not Path(f"/proc/{number}").exists())
        except (OSError, ValueError):
            return

    def said(self, *command):
        """What a command of Slurm's says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def jobs(self):
        """Every job's state by its number."""
        lines = self.said("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def _do(self, *command):
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    @staticmethod
    def _wait(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.1)


def _free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _path():
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
