"""Run one function in a fresh, confined child process of a preloaded server.

Importing TensorFlow takes seconds and forking takes milliseconds, so a small server imports the heavy modules
once and forks a child for every call. The child can reach no network, no file outside what it was given, no
credentials; it has limits on time and memory, and dies with everything it started when they are passed.

    with Sandbox(preload=["tensorflow", "keras"]) as sandbox:
        outcome = sandbox.run("package.module:function", {"size": 3}, workdir=folder,
        limits=Limits(wall_s=60))

The caller never imports what the server preloads. Only Linux has the walls this needs.
"""

from keras2torch.sandbox.child import progress
from keras2torch.sandbox.client import Sandbox, SandboxError
from keras2torch.sandbox.terms import ALL_WALLS, Limits, Outcome

__all__ = ["ALL_WALLS", "Limits", "Outcome", "Sandbox", "SandboxError", "progress"]
