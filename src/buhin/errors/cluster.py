"""What keeps a cluster, or a service in it, from being found."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


class ClusterError(BuhinError):
    """The cluster cannot do what it is asked."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "CLUSTER_FAILED"
    text = "the cluster refuses: {problem}"
    text_ja = "クラスタが要求を拒否しました: {problem}"


class NoClusterError(ClusterError):
    """Nothing says which cluster is meant."""

    reason = "NO_CLUSTER"
    text = "no cluster is configured: {problem}; set KUBECONFIG, or give --context with the name of one of its contexts"
    text_ja = "クラスタが設定されていません: {problem}。KUBECONFIG か --context を指定してください"


class ClusterUnreachableError(ClusterError):
    """The cluster's API does not answer."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "CLUSTER_UNREACHABLE"
    text = "the cluster's API at {address} does not answer: {problem}; check the context and the network"
    text_ja = "クラスタの API {address} が応答しません: {problem}。コンテキストとネットワークを確認してください"


class ClusterForbiddenError(ClusterError):
    """The cluster does not let the caller do it."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "CLUSTER_FORBIDDEN"
    text = "the cluster does not allow to {verb} {resource} in {namespace}; ask its operator for the role of the chart"
    text_ja = (
        "クラスタの名前空間 {namespace} で {resource} の {verb} が許可されていません。"
        "チャートのロールを管理者に依頼してください"
    )


class ServiceNotFoundError(ClusterError):
    """There is no such service in the namespace."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "SERVICE_NOT_FOUND"
    text = "there is no service for {function} in namespace {namespace}; there is: {found}"
    text_ja = "名前空間 {namespace} に {function} のサービスがありません。あるもの: {found}"


class NoReadyPodError(ClusterError):
    """None of a service's pods is ready."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "NO_READY_POD"
    text = "no pod of {service} in namespace {namespace} is ready; why, says: buhin cluster doctor -n {namespace}"
    text_ja = (
        "名前空間 {namespace} の {service} に準備のできたポッドがありません。"
        "原因の確認: buhin cluster doctor -n {namespace}"
    )


class ServiceWithoutTlsError(ClusterError):
    """The caller's settings ask for TLS, and a service says that it has none."""

    reason = "SERVICE_WITHOUT_TLS"
    text = (
        "{service} in namespace {namespace} says that it has no TLS (annotation buhin/tls), and {settings} ask for it; "
        "nothing was sent. Ask its operator; if that is right, unset them"
    )
    text_ja = (
        "名前空間 {namespace} の {service} は TLS なし (注釈 buhin/tls) ですが、{settings} が TLS を求めています。"
        "何も送信していません。管理者に確認し、正しければ設定を外してください"
    )


class OutsideClusterError(ClusterError):
    """Pods cannot be reached from where the caller is."""

    reason = "OUTSIDE_CLUSTER"
    text = (
        "{address} is found from inside the cluster only. "
        "From here: buhin cluster call {function} METHOD -n {namespace}; "
        "or kubectl port-forward -n {namespace} service/{service} 50051, and the address localhost:50051; "
        "or the address of the gateway"
    )
    text_ja = (
        "{address} はクラスタの中からのみ使えます。外からは buhin cluster call {function} METHOD -n {namespace}、"
        "または kubectl port-forward -n {namespace} service/{service} 50051 と localhost:50051、"
        "またはゲートウェイのアドレスを使ってください"
    )
