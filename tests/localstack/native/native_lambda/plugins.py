"""What LocalStack finds by name, see the entry points in pyproject.toml. Imports wait until a plug-in is asked for."""

from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class NativeExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=native"""

    name = "native"

    def load(self, *args, **kwargs):
        from .executor import NativeExecutor

        return NativeExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):
    """GATEWAY_SERVER=loopback"""

    name = "loopback"

    def load(self, *args, **kwargs):
        from .server import LoopbackServer

        return LoopbackServer()
