"""Every service describes itself: the catalogue's GetServiceInfo."""

from __future__ import annotations

from typing import Any

import grpc

from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.common.v1 import common_pb2
from buhin.serving.application import Application
from buhin.serving.worker import Worker

_STATE_TEXT = {
    "STARTING": ("models are being loaded", "モデルを読み込んでいます"),
    "DRAINING": ("the service is stopping", "サービスは停止中です"),
}


class ServiceInfoServicer(catalogue_pb2_grpc.ServiceInfoServiceServicer):
    """Answers with the card, the models in memory, the limits in force and the state."""

    def __init__(self, application: Application[Any], worker: Worker[Any]) -> None:
        self._application = application
        self._worker = worker

    async def GetServiceInfo(  # noqa: N802 - the name is the proto's
        self,
        request: catalogue_pb2.GetServiceInfoRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> catalogue_pb2.GetServiceInfoResponse:
        """Return the card; answers in every state."""
        info = self._application.card.to_proto()
        engine = self._worker.engine
        if engine is not None:
            info.engine, info.engine_version = engine.name, engine.version
        loaded = {model.model_id: model for model in engine.models} if engine is not None else {}
        for model_id, role in self._application.models.items():
            entry = info.models.add(model=common_pb2.ModelRef(model_id=model_id), role=role)
            if model := loaded.get(model_id):
                entry.model.digest, entry.licence, entry.size_bytes = model.digest, model.licence, model.size_bytes
                entry.loaded = True
        settings = self._application.settings
        for name in type(settings).model_fields:
            limit = getattr(settings, name)
            if limit is not None and (
                name.startswith("max_") or name in ("concurrency", "queue_size", "stream_idle_s")
            ):
                info.limits[name] = float(limit)
        info.state = common_pb2.ServiceState.Value(f"SERVICE_STATE_{self._worker.state.name}")
        if failure := self._worker.failure:
            info.state_detail.en, info.state_detail.ja = failure.message, failure.message_ja
        elif text := _STATE_TEXT.get(self._worker.state.name):
            info.state_detail.en, info.state_detail.ja = text
        return catalogue_pb2.GetServiceInfoResponse(info=info)
