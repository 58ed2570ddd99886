"""Kernels that begin with everything imported: forked from a process that has it, where a chapter's own imports are
half of what most chapters take.

Registered with jupyter_client as a kernel provisioner, so that papermill starts them as it starts any other.
"""

import multiprocessing
import os
import signal
import sys
from importlib.metadata import EntryPoint

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from wagf_src.report import workers

NAME = "wagf-warm"
# In the process that forks: no threads, no Keras (TensorFlow's state does not survive a fork).
PRELOADED = ["ipykernel.kernelapp", "matplotlib_inline.backend_inline", "wagf_src.report.chapter"]


def use() -> None:
    """Let every kernel that this process starts from now on be forked; on Linux only, where that is safe."""
    if sys.platform != "linux":
        return
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # ipykernel sets it before any import
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:WarmProvisioner", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME


class WarmProvisioner(LocalProvisioner):
    """Forks a kernel; everything else is as jupyter_client does it for a process that it started."""

    async def launch_kernel(self, cmd, **kwargs):
        # What this process writes to is what a child of its own would write to.
        arguments = (cmd[cmd.index("-f") :], dict(kwargs["env"]), kwargs.get("cwd"), os.path.realpath("/dev/fd/2"))
        process = multiprocessing.get_context("forkserver").Process(target=_kernel, args=arguments)
        process.start()
        self.process, self.pid = _Forked(process), process.pid
        return self.connection_info


class _Forked:
    """A multiprocessing process with the methods of subprocess.Popen that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, process):
        self.process = process

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> int:
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # else the number may be another process's by now
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _kernel(arguments, environment, folder, log) -> None:
    """In the forked process: what `python -m ipykernel_launcher` would be."""
    from ipykernel import kernelapp

    os.setsid()  # Ctrl-C is for the process that waits for us
    workers.end_with_parent()  # of the two processes above, the one that forks stays as long as we do
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), stream)
    sys.argv = ["ipykernel_launcher", *arguments]
    # Started by another process, so without the hints for those who start a kernel in a terminal.
    kernelapp.launch_new_instance(argv=[*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])
