"""What the values do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from buhin.cluster.worker_pods import WorkerDefaults
from buhin.config import TextSettings
from buhin.models.manifest import Manifest
from buhin.serving.health import LIVE
from scripts import chart
from tests.conftest import ROOT
from tests.unit.helm.rendering import env, example, of, pods, refusal, rendered, the

PATH = "buhin-translate"


def pod(values: dict[str, Any], name: str = PATH) -> dict[str, Any]:
    """The pod of a service with these values."""
    return dict(pods(rendered(values)))[name]


def test_a_fifth_service_is_an_entry() -> None:
    objects = rendered(
        {"services.redact": {"settings": {"concurrency": 8}, "resources": {"limits": {"memory": "64Mi"}}}}
    )
    deployment = the(objects, "Deployment", "buhin-redact")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "buhin-redact:0.1.0"
    assert env(deployment["spec"]["template"]["spec"])["BUHIN_CONCURRENCY"] == "8"
    assert "initContainers" not in deployment["spec"]["template"]["spec"]
    assert deployment["metadata"]["labels"]["buhin/function"] == "redact"
    for kind in ("Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"):
        the(objects, kind, "buhin-redact")


def test_a_service_that_is_not_wanted_leaves_nothing() -> None:
    assert not [each for each in example("bureau") if "summarize" in each["metadata"]["name"]]


def test_entry_class_and_defaults_in_this_order() -> None:
    found = pod(
        {
            "defaults.nodeSelector": {"a": "default", "b": "default", "c": "default"},
            "classes.big": {"nodeSelector": {"b": "class", "c": "class"}},
            "services.translate.class": "big",
            "services.translate.nodeSelector": {"c": "entry"},
        }
    )
    assert found["nodeSelector"] == {"a": "default", "b": "class", "c": "entry"}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("concurrency", 4, "4"),
        ("text_batch_window_ms", 0.5, "0.5"),
        ("isolate_engine", True, "true"),
        ("max_message_bytes", 1_073_741_824, "1073741824"),
        ("text_model", "x", "x"),
        ("openai_extra", {"a": 1}, '{"a":1}'),
    ],
)
def test_settings_reach_the_service_as_they_are(name: str, value: Any, shown: str) -> None:
    told = env(pod({f"services.translate.settings.{name}": value}))
    assert told[f"BUHIN_{name.upper()}"] == shown


def test_what_the_container_is_told_are_settings_of_the_service() -> None:
    told = {name.lower() for name in env(dict(pods(example("production")))[PATH])}
    assert told - {"home"} <= {f"buhin_{name}" for name in TextSettings.model_fields}


def mib(quantity: str) -> float:
    """A quantity of memory in MiB."""
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_memory_is_more_than_was_measured() -> None:
    soaked = json.loads((ROOT / "bench" / "soak.json").read_text(encoding="utf-8"))["services"]
    rows = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))["rows"]
    peak = next(row for row in rows if "peak of resident memory" in row["name"])
    for name, found in pods(example("trial")):
        if "-test-" not in name:
            key = name.removeprefix("buhin-").replace("-", "_")
            resources = found["containers"][0]["resources"]
            assert mib(resources["requests"]["memory"]) > soaked[key]["end"]["rss_mib"] * 1.1
            most = max([soaked[key]["end"]["rss_mib"], *(peak["values"] if key == "image_inspect" else [])])
            assert mib(resources["limits"]["memory"]) > most * 1.3


def test_a_rolling_update_loses_no_call() -> None:
    spec = the(rendered({"defaults.drainSeconds": 45, "defaults.preStopSeconds": 7}), "Deployment", PATH)["spec"]
    found = spec["template"]["spec"]
    (container,) = found["containers"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    assert env(found)["BUHIN_DRAIN_S"] == "45"
    assert found["terminationGracePeriodSeconds"] > 45 + 7


def test_probes_ask_for_health_on_its_port() -> None:
    (container,) = pod({"services.translate.startupSeconds": 301})["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    for name, service in (("startupProbe", None), ("readinessProbe", None), ("livenessProbe", LIVE)):
        assert container[name]["grpc"] == {"port": ports["health"], **({"service": service} if service else {})}
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 301


def test_both_services_of_a_function_lead_to_its_pods() -> None:
    objects = example("trial")
    for name, deployment in ((each["metadata"]["name"], each) for each in of(objects, "Deployment")):
        for service in (the(objects, "Service", name), the(objects, "Service", f"{name}-pods")):
            assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        assert the(objects, "Service", f"{name}-pods")["spec"]["clusterIP"] == "None"


CPU = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "cpu",
        "container": "service",
        "target": {"type": "Utilization", "averageUtilization": 75},
    },
}
QUEUE = {
    "type": "Pods",
    "pods": {"metric": {"name": "buhin_queue_waiting"}, "target": {"type": "AverageValue", "averageValue": "4"}},
}


@pytest.mark.parametrize(("values", "metric"), [({}, CPU), ({"services.translate.autoscaling.metric": "queue"}, QUEUE)])
def test_scaled_by_cpu_or_queue(values: dict[str, Any], metric: dict[str, Any]) -> None:
    objects = rendered({"services.translate.autoscaling.enabled": True} | values)
    (scaler,) = of(objects, "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": PATH}
    assert scaler["spec"]["metrics"] == [metric]
    assert "replicas" not in the(objects, "Deployment", PATH)["spec"]
    assert the(objects, "Deployment", "buhin-speech")["spec"]["replicas"] == 1


def test_pods_are_spread_over_zones_and_nodes() -> None:
    spread = pod({})["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert "topologySpreadConstraints" not in pod({"services.translate.topologySpread": False})


def test_the_cluster_may_choose_the_user() -> None:
    assert pod({})["securityContext"]["runAsUser"] == 10001
    assert "runAsUser" not in pod({"security.user": None})["securityContext"]


def test_to_zero_outside_the_schedule() -> None:
    (scaled,) = of(example("production"), "ScaledObject")
    assert scaled["spec"]["minReplicaCount"] == 0
    cron, prometheus = (trigger["metadata"] for trigger in scaled["spec"]["triggers"])
    assert cron["timezone"] == "Asia/Tokyo"
    assert 'function="image_inspect"' in prometheus["query"]


def test_models_are_fetched_once_and_read_only_afterwards() -> None:
    found = pod({})
    (fetching,) = found["initContainers"]
    assert fetching["command"] == ["buhin", "models", "pull"]
    assert "use-multilingual-v3" in fetching["args"]
    assert env(found, "models")["BUHIN_OFFLINE"] == "false"
    assert env(found)["BUHIN_OFFLINE"] == "true"
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "buhin-models"}} in found["volumes"]


def test_a_closed_network_verifies_a_volume_that_was_filled() -> None:
    objects = example("airgapped")
    assert not of(objects, "PersistentVolumeClaim")
    for name, found in pods(objects):
        if "-test-" not in name:
            (checking,) = found["initContainers"]
            assert checking["command"] == ["buhin", "models", "verify"]
            assert next(m for m in checking["volumeMounts"] if m["name"] == "models")["readOnly"] is True
            assert env(found, "models")["BUHIN_OFFLINE"] == "true"
    for policy in of(objects, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert "to" in rule, "a way out to anywhere"


def test_images_by_digest_registry_and_class() -> None:
    digest = "sha256:" + "a" * 64
    (container,) = pod({"services.translate.image.digest": digest, "image.registry": "r.example:5000/ai/"})[
        "containers"
    ]
    assert container["image"] == f"r.example:5000/ai/buhin-translate@{digest}"
    (container,) = pod({"image.tag": "2"})["containers"]
    assert container["image"] == "buhin-translate:2"
    (container,) = dict(pods(example("gpu")))[PATH]["containers"]
    assert container["image"] == "registry.metro.example/buhin/buhin-translate-gpu:0.1.0"
    assert container["resources"]["limits"] == {"memory": "24Gi", "nvidia.com/gpu": 1}


def test_the_default_policy_lets_only_the_release_in() -> None:
    objects = example("trial")
    policy = the(objects, "ConfigMap", "buhin-policy")["data"]["policy.yaml"]
    assert re.findall(r"certificate: (\S+)", policy) == ["buhin-client"]
    names = env(dict(pods(objects))[PATH])
    assert names["BUHIN_POLICY"] == "/etc/buhin/policy/policy.yaml"
    assert names["BUHIN_TLS_CLIENT_CA"] == "/etc/buhin/tls/ca.crt"


def test_nothing_starts_where_nobody_said_who_may_call() -> None:
    assert "auth.policy" in refusal({"tls.mutual": False})


def test_secrets_are_named_never_written() -> None:
    found = dict(pods(example("gpu")))["buhin-summarize"]
    assert env(found)["BUHIN_OPENAI_API_KEY"] == {"secretKeyRef": {"name": "vllm", "key": "api-key"}}
    assert [each["metadata"]["name"] for each in of(example("production"), "Secret")] == []


def test_the_network_is_closed_but_for_what_is_named() -> None:
    objects = example("production")
    deny = the(objects, "NetworkPolicy", "buhin-default-deny")["spec"]
    assert deny["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "buhin",
        "app.kubernetes.io/instance": "buhin",
    }
    assert "ingress" not in deny
    assert "egress" not in deny
    own = the(objects, "NetworkPolicy", PATH)["spec"]
    assert own["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "translate"
    assert [rule["ports"] for rule in own["ingress"]] == [[{"port": "grpc"}], [{"port": "metrics"}]]
    assert all(rule["from"] for rule in own["ingress"])
    assert {port["port"] for rule in own["egress"] for port in rule["ports"]} == {53, 443, 4317}


def test_certificates_are_for_the_names_that_clients_use() -> None:
    found = the(example("production"), "Certificate", PATH)["spec"]
    assert {"buhin-translate.ai.svc", "buhin-translate-pods.ai.svc"} <= set(found["dnsNames"])
    assert {"secret": {"secretName": found["secretName"], "defaultMode": 0o440}, "name": "tls"} in dict(
        pods(example("production"))
    )[PATH]["volumes"]


def test_the_alerts_of_the_house_are_in_the_rule() -> None:
    (rule,) = of(example("production"), "PrometheusRule")
    names = [each["alert"] for group in rule["spec"]["groups"] for each in group["rules"]]
    assert "BuhinDown" in names
    assert "{{ $labels.function }}" in rule["spec"]["groups"][0]["rules"][0]["annotations"]["summary"]


def test_a_route_for_each_service_from_outside() -> None:
    objects = example("bureau")
    assert {route["spec"]["hostnames"][0] for route in of(objects, "GRPCRoute")} == {
        "speech.ai.metro.example", "translate.ai.metro.example",
    }  # fmt: skip
    backend = the(objects, "BackendTLSPolicy", PATH)["spec"]
    assert backend["validation"]["hostname"] == "buhin-translate.ai.svc"


def test_helm_test_calls_every_service() -> None:
    tests = {name: found for name, found in pods(example("trial")) if "-test-" in name}
    assert set(tests) == {f"buhin-test-{key}" for key in ("speech", "summarize", "translate", "image-inspect")}
    (container,) = tests["buhin-test-translate"]["containers"]
    assert container["command"] == ["buhin", "call"]
    assert "--address=buhin-translate.ai.svc:50051" in container["args"]
    assert env(tests["buhin-test-translate"], "call")["BUHIN_CLIENT_KEY"] == "/etc/buhin/client/tls.key"


def test_two_releases_live_in_one_namespace() -> None:
    one, other = (rendered(case="production", release=name) for name in ("buhin", "second"))
    names = [{(each["kind"], each["metadata"]["name"]) for each in objects} for objects in (one, other)]
    assert not names[0] & names[1]
    for deployment in of(one, "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for kind in ("Service", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"):
            for each in of(other, kind):
                spec = each["spec"]
                chosen = spec.get("podSelector", spec.get("selector"))
                assert not chosen.get("matchLabels", chosen).items() <= labels.items()


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("buhin", "buhin-speech"),
        ("my-buhin-2", "my-buhin-2-speech"),
        ("x", "x-buhin-speech"),
        ("a" * 53, f"{'a' * 40}-speech"),
    ],
)
def test_names_carry_the_release_and_fit(release: str, name: str) -> None:
    objects = rendered(release=release, case="production")
    the(objects, "Deployment", name)
    assert max(len(each["metadata"]["name"]) for each in objects) <= 63


def test_every_object_is_labelled_and_in_the_namespace() -> None:
    for each in example("production"):
        assert each["metadata"]["namespace"] == "ai"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "buhin"


@pytest.mark.parametrize("case", chart.CASES)
def test_clients_of_the_release_have_what_the_services_ask_for(case: str) -> None:
    objects = example(case)
    modes = {each["metadata"]["annotations"]["buhin/tls"] for each in of(objects, "Service")}
    for name, found in pods(objects):
        if "-test-" in name:
            told = env(found, "call")
            assert modes == {"mutual" if "BUHIN_CLIENT_KEY" in told else "server" if "BUHIN_TLS_CA" in told else "none"}
            (client,) = [each["secret"] for each in found["volumes"] if each["name"] == "client"]
            assert client["secretName"]
            assert ("items" in client) == (modes == {"server"})


@pytest.mark.parametrize("mode", ["none", "server", "mutual"])
def test_workers_are_told_of_a_secret_where_they_need_one(mode: str) -> None:
    choices: dict[str, dict[str, Any]] = {
        "none": {"tls.source": "none"},
        "server": {"tls.mutual": False},
        "mutual": {},
    }
    objects = rendered({"workers.enabled": True, "auth.policy.callers": [{}], "security.user": None} | choices[mode])
    told = WorkerDefaults.read(the(objects, "ConfigMap", "buhin-workers")["data"]["worker.yaml"], "")
    assert (told.tls.mode, bool(told.tls.secret_name)) == (mode, mode != "none")
    assert told.user is None


@pytest.mark.parametrize("case", chart.CASES)
def test_init_containers_ask_for_models_of_the_manifest_that_fit_on_the_volume(case: str) -> None:
    objects = example(case)
    text = next((each["data"]["manifest.yaml"] for each in of(objects, "ConfigMap", "buhin-manifest")), None)
    manifest = Manifest.model_validate(yaml.safe_load(text)) if text else Manifest.load(ROOT / "models/manifest.yaml")
    sizes = {model.id: model.size for model in manifest.models}
    asked = {model for _, found in pods(objects) for init in found.get("initContainers", []) for model in init["args"]}
    assert asked <= set(sizes)
    for claim in of(objects, "PersistentVolumeClaim", "buhin-models"):
        room = mib(claim["spec"]["resources"]["requests"]["storage"]) * 2**20
        assert room > sum(sizes[model] for model in asked) + max(sizes.values())


def test_the_gateways_proxies_are_let_in() -> None:
    (rule, _) = the(example("bureau"), "NetworkPolicy", PATH)["spec"]["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}} in rule["from"]


def test_a_clients_name_is_that_of_its_namespace_where_an_issuer_serves_several() -> None:
    objects = rendered({"tls.source": "cert-manager", "tls.issuer.name": "x"})
    assert the(objects, "Certificate", "buhin-client")["spec"]["dnsNames"] == ["buhin-client.ai.svc"]
    assert "certificate: buhin-client.ai.svc\n" in the(objects, "ConfigMap", "buhin-policy")["data"]["policy.yaml"]


def test_where_there_is_no_room_for_one_more_pod_one_goes_first() -> None:
    strategy = the(example("gpu"), "Deployment", PATH)["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_threads_are_the_cores_that_were_asked_for_where_cpu_scales() -> None:
    found = dict(pods(example("production")))
    assert env(found["buhin-speech"])["BUHIN_THREADS"]["resourceFieldRef"]["resource"] == "requests.cpu"
    assert "BUHIN_THREADS" not in env(found[PATH])


def test_files_of_a_bureau_reach_the_container() -> None:
    found = pod({"services.translate.mounts": {"glossaries": {"configMap": "city", "path": "/etc/buhin/glossaries"}}})
    assert {"name": "mount-glossaries", "configMap": {"name": "city"}} in found["volumes"]
    mounts = found["containers"][0]["volumeMounts"]
    assert {"name": "mount-glossaries", "mountPath": "/etc/buhin/glossaries", "readOnly": True} in mounts


def test_a_service_that_is_scaled_to_zero_is_not_missed() -> None:
    def down(objects: list[Any]) -> str:
        (rule,) = of(objects, "PrometheusRule")
        rules = {each["alert"]: each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]}
        return str(rules["BuhinDown"])

    assert 'last_over_time(buhin_ready{function!~"image_inspect"}[1d])' in down(example("production"))
    assert "last_over_time(buhin_ready[1d])" in down(rendered({"monitoring.prometheusRule.enabled": True}))


def test_who_may_look_into_all_namespaces() -> None:
    person = [{"kind": "User", "name": "a", "apiGroup": "rbac.authorization.k8s.io"}]
    objects = rendered({"rbac.operators": person, "rbac.submitters": person, "rbac.allNamespaces": True})
    assert [each["metadata"]["name"] for each in of(objects, "ClusterRole")] == ["ai-buhin-operator"]
    assert [each["metadata"]["name"] for each in of(objects, "Role")] == ["buhin-submitter"]


def test_what_waits_for_nothing_is_left_out() -> None:
    assert "lifecycle" not in pod({"services.translate.preStopSeconds": 0})["containers"][0]
    (scaled,) = of(
        rendered({"services.speech.keda": {"enabled": True, "schedule": None, "prometheus": "http://p:9090"}}),
        "ScaledObject",
    )
    assert [each["type"] for each in scaled["spec"]["triggers"]] == ["prometheus"]
