"""LocalStack's own server listens on every interface, whatever GATEWAY_LISTEN says; this one only where it says."""

from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor


class LoopbackServer(TwistedRuntimeServer):
    """Plain HTTP. A port that is taken is an error here; the server it replaces would go on without a listener."""

    def register(self, gateway, listen, ssl_creds=None):
        site = TwistedGateway(gateway)
        for address in listen:
            reactor.listenTCP(address.port, site, interface=address.host)
