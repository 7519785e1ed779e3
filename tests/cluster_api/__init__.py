"""An API server of Kubernetes for tests, in a thread: HTTP, schemas, versions, watches, access, logs, port-forwards.

No controller runs: a test says what kubelet, scheduler and controllers would, with ``ApiServer.put``.
"""

from tests.cluster_api.access import Access, Call, Rule
from tests.cluster_api.server import ApiServer

__all__ = ["Access", "ApiServer", "Call", "Rule"]
