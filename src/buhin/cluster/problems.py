"""What goes wrong in a cluster: each problem in a sentence, with what to do, in two languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """A kind of problem. Texts name values in braces."""

    code: str
    text: str
    text_ja: str
    remedy: str
    remedy_ja: str


@dataclass(frozen=True)
class Finding:
    """A problem that is there. ``subject`` is the object, as ``pod/buhin-speech-x``; ``others`` have the same."""

    problem: Problem
    subject: str
    component: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def text(self, template: str) -> str:
        """One of the problem's texts with the values."""
        return template.format_map(defaultdict(lambda: "?", self.values))


NOTHING_DEPLOYED = Problem(
    "NOTHING_DEPLOYED",
    "nothing of the catalogue is in namespace {namespace}",
    "名前空間 {namespace} に部品カタログのものがありません",
    "look in all namespaces (-A), or install it: helm install buhin helm -n {namespace}",
    "すべての名前空間を調べる (-A) か、導入してください: helm install buhin helm -n {namespace}",
)
FORBIDDEN = Problem(
    "FORBIDDEN",
    "{resource} in namespace {namespace} may not be read, so not everything was looked at",
    "名前空間 {namespace} の {resource} を読む権限がなく、すべては確認できていません",
    "be named in rbac.operators of the chart's values; all namespaces (-A) need a ClusterRole of the same rules",
    "values の rbac.operators への追加を依頼してください。全名前空間 (-A) には同じ規則の ClusterRole が必要です",
)
IMAGE_PULL = Problem(
    "IMAGE_PULL",
    "the image {image} cannot be had: {detail}",
    "イメージ {image} を取得できません: {detail}",
    "check image.registry, image.tag and image.pullSecrets in the values, and that nodes reach the registry",
    "values の image.registry・image.tag・image.pullSecrets と、ノードからレジストリに届くことを確認してください",
)
CLAIM_PENDING = Problem(
    "CLAIM_PENDING",
    "the volume claim {claim} has no volume: {detail}",
    "ボリューム要求 {claim} にボリュームがありません: {detail}",
    "name a storage class that the cluster has (kubectl get storageclass) in models.volume of the values, "
    "or make a volume",
    "クラスタにあるストレージクラス (kubectl get storageclass) を values の models.volume に書くか、"
    "ボリュームを用意してください",
)
CLAIM_MISSING = Problem(
    "CLAIM_MISSING",
    "the volume claim {claim} does not exist",
    "ボリューム要求 {claim} がありません",
    "create it, or let the chart do so: models.volume in the values",
    "作成するか、values の models.volume でチャートに作らせてください",
)
UNSCHEDULABLE = Problem(
    "UNSCHEDULABLE",
    "no node takes the pod: {detail}",
    "ポッドを置けるノードがありません: {detail}",
    "lower its requests, add nodes, or change its nodeSelector, affinity and tolerations in the values",
    "values の requests を下げるか、ノードを増やすか、nodeSelector・affinity・tolerations を見直してください",
)
GPU_MISSING = Problem(
    "GPU_MISSING",
    "no node has {resource} to give: {detail}",
    "{resource} の空いたノードがありません: {detail}",
    "free or add a GPU and its device plugin, or take class: gpu out of the service's values",
    "GPU とデバイスプラグインを用意するか、サービスの values から class: gpu を外してください",
)
OUT_OF_MEMORY = Problem(
    "OUT_OF_MEMORY",
    "container {container} was ended for using more memory than its limit of {limit}",
    "コンテナ {container} はメモリ上限 {limit} を超えて終了させられました",
    "raise resources.limits.memory of the service, or lower its concurrency, batch or context",
    "サービスの resources.limits.memory を上げるか、並列数・バッチ・文脈長を下げてください",
)
CRASHING = Problem(
    "CRASHING",
    "container {container} ends again and again, last with status {exit}: {detail}",
    "コンテナ {container} が繰り返し終了しています (終了コード {exit}): {detail}",
    "what it wrote before: kubectl logs -n {namespace} {pod} -c {container} --previous",
    "終了前のログ: kubectl logs -n {namespace} {pod} -c {container} --previous",
)
POLICY_MISSING = Problem(
    "POLICY_MISSING",
    "the policy, which says who may call, is missing: {detail}",
    "呼び出し元を定める方針ファイルがありません: {detail}",
    "write auth.policy in the values, or create the ConfigMap of auth.existingConfigMap (docs/security.md)",
    "values の auth.policy を書くか、auth.existingConfigMap の ConfigMap を作成してください (docs/security.md)",
)
REFERENCE_MISSING = Problem(
    "REFERENCE_MISSING",
    "something that the pod needs is missing: {detail}",
    "ポッドに必要なものがありません: {detail}",
    "create it in namespace {namespace}, or correct its name in the values",
    "名前空間 {namespace} に作成するか、values の名前を直してください",
)
MODEL_MISSING = Problem(
    "MODEL_MISSING",
    "a model is not in the store: {detail}",
    "モデルが保管庫にありません: {detail}",
    "fill the volume (buhin models pull --from FOLDER, or buhin bundle import), "
    "or set models.source: pull in the values",
    "ボリュームにモデルを入れる (buhin models pull --from フォルダ、または buhin bundle import) か、"
    "values を models.source: pull にします",
)
MODEL_WRONG = Problem(
    "MODEL_WRONG",
    "a model's file is not the one that the manifest names: {detail}",
    "モデルのファイルが台帳と一致しません: {detail}",
    "fetch it anew (buhin models pull --force), and check the volume: it was changed or cut off",
    "取得し直し (buhin models pull --force)、ボリュームが書き換わったり途切れたりしていないか確認してください",
)
MODEL_UNUSABLE = Problem(
    "MODEL_UNUSABLE",
    "the models cannot be used: {detail}",
    "モデルを使えません: {detail}",
    "what the container wrote says more: kubectl logs -n {namespace} {pod} -c {container}",
    "詳しくはログを確認してください: kubectl logs -n {namespace} {pod} -c {container}",
)
PROBE_FAILING = Problem(
    "PROBE_FAILING",
    "the {probe} probe fails: {detail}",
    "{probe} プローブが失敗しています: {detail}",
    "wait while it loads; if that takes longer than startupSeconds of the service, raise it, or see the log: "
    "kubectl logs -n {namespace} {pod}",
    "読み込み中なら待ってください。startupSeconds より長くかかるなら延ばすか、ログを確認してください: "
    "kubectl logs -n {namespace} {pod}",
)
NOT_CREATED = Problem(
    "NOT_CREATED",
    "pods of {deployment} cannot be made: {detail}",
    "{deployment} のポッドを作れません: {detail}",
    "raise the quota, or make the namespace allow what the pods ask for",
    "クォータを上げるか、名前空間の制限を見直してください",
)
EVICTED = Problem(
    "EVICTED",
    "the node gave the pod up: {detail}",
    "ノードがポッドを退去させました: {detail}",
    "free the node's disk or memory; give the pod requests that fit what it uses",
    "ノードのディスクやメモリを空け、実際の使用量に合う requests を設定してください",
)
NETWORK_POLICY = Problem(
    "NETWORK_POLICY",
    "network policies let no caller from {client} reach port {port} of {component}: {detail}",
    "ネットワークポリシーにより、{client} から {component} のポート {port} に届きません: {detail}",
    "name the callers in networkPolicy.clients of the values, or label their namespace as it says",
    "values の networkPolicy.clients に呼び出し元を加えるか、名前空間にそのラベルを付けてください",
)
NO_METRICS = Problem(
    "NO_METRICS",
    "{autoscaler} does not scale: {detail}",
    "{autoscaler} が機能していません: {detail}",
    "install metrics-server (CPU) or the Prometheus adapter (queue depth), or switch autoscaling.enabled off",
    "metrics-server (CPU) か Prometheus adapter (待ち行列) を導入するか、autoscaling.enabled を切ってください",
)
NOT_READY = Problem(
    "NOT_READY",
    "{ready} of {total} pods are ready; those that are not are still starting",
    "{total} 個のうち {ready} 個のポッドが準備完了、残りは起動中です",
    "wait; then look again",
    "しばらく待ってから、もう一度確認してください",
)
ALL = [value for value in list(globals().values()) if isinstance(value, Problem)]
