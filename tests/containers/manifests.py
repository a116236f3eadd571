"""What packaging/container and packaging/kubernetes hold is what their schemas take,
in each supported version, and gives no container more than its work allows.

usage: manifests.py (in the root of the repository; by the script beside it)
"""

import copy
import re
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml
from compose_spec import PyCompose

# The oldest whose schema has all that is used, and the newest that is known here.
KUBERNETES = ["1.30", kubernetes_validate.latest_version()]
COMPOSE = Path("packaging/container/compose.yaml")
VERSION = tomllib.loads(Path("Cargo.toml").read_text())["workspace"]["package"]["version"]

wrong = []


def check(sentence, holds, what=""):
    print(f"{'ok     ' if holds else 'FAILED '} {sentence}{'' if holds else f': {what}'}")
    if not holds:
        wrong.append(sentence)


def takes(resource, version):
    try:
        kubernetes_validate.validate(resource, version, strict=True)
        return ""
    except kubernetes_validate.ValidationError as error:
        return str(error)[:500]


def in_compose(text):
    try:
        PyCompose.from_yaml(text).validate()
        return ""
    except ValueError as error:
        return str(error)[:500]


def every(value):
    """Each table in it, itself among them."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from every(inner)


resources = {}
for path in sorted(Path("packaging/kubernetes").glob("*.yaml")):
    for resource in yaml.safe_load_all(path.read_text()):
        name = f"{path.stem}: {resource['kind']}"
        resources[name] = resource
        for version in KUBERNETES:
            said = takes(resource, version)
            check(f"{name} is as Kubernetes {version} says", not said, said)
        for table in [it for it in every(resource) if it]:
            # What is misspelt must be refused, or the check above says nothing.
            key = next(iter(table))
            table[f"{key}x"] = table[key]
            free = {"matchLabels", "labels", "limits", "requests", "nodeSelector"}
            free |= {"selector"} if resource["kind"] == "Service" else set()
            if not any(table is it.get(name) for it in every(resource) for name in free):
                check(f"{name}: an unknown field beside `{key}` is refused", takes(resource, KUBERNETES[0]))
            del table[f"{key}x"]

text = COMPOSE.read_text()
compose = yaml.safe_load(text)
check("compose.yaml is as the Compose specification says", not in_compose(text), in_compose(text))
check("a misspelt field in it is refused", in_compose(text.replace("read_only:", "readonly:")))
check("a network that it does not define is refused", in_compose(text.replace("networks: [hosts]", "networks: [other]")))

gateway = resources["gateway: Deployment"]["spec"]["template"]["spec"]
agent = resources["agent: DaemonSet"]["spec"]["template"]["spec"]
images = [it["image"] for pod in (gateway, agent) for it in pod.get("initContainers", []) + pod["containers"]]
images += [service["image"] for service in compose["services"].values()]
check("images are those of this version", all(it.endswith(f":{VERSION}") for it in images), images)

# The profile `restricted` of the Pod Security Standards, line by line.
for container in gateway["initContainers"] + gateway["containers"]:
    context = gateway["securityContext"] | container["securityContext"]
    check(f"the gateway's {container['name']} has no capability", context["capabilities"] == {"drop": ["ALL"]}, context)
    check("it cannot gain a privilege", context["allowPrivilegeEscalation"] is False, context)
    check("it is not root", context["runAsNonRoot"] and context["runAsUser"] == 65532, context)
    check("its seccomp profile is the usual one", context["seccompProfile"]["type"] == "RuntimeDefault", context)
    check("its root is read-only", context["readOnlyRootFilesystem"] is True, context)
kinds = {kind for volume in gateway["volumes"] for kind in volume if kind != "name"}
check("its volumes are of kinds that `restricted` takes", kinds <= {"configMap", "secret", "persistentVolumeClaim"}, kinds)
for pod, name in ((gateway, "gateway"), (agent, "agent")):
    hosts = [key for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if key in pod]
    check(f"the {name}'s pod shares no namespace of the node", not hosts, hosts)
    check(f"the {name}'s pod has no token of the cluster", pod["automountServiceAccountToken"] is False)
    said = [it for it in every(pod) if it.get("privileged")]
    check(f"no container of the {name}'s is privileged", not said, said)
    for container in pod.get("initContainers", []) + pod["containers"]:
        variables = [it for it in container.get("env", []) if "valueFrom" in it]
        check(f"no secret is a variable of the {name}'s", not variables and "envFrom" not in container, variables)

# What the warden has in a container is what its unit gives it, and nothing else.
unit = Path("packaging/systemd/cofferdam-warden.service").read_text()
unit = set(re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].replace("CAP_", "").split())
# The records of audit come to the machine's first network alone.
unit -= {"AUDIT_READ", "AUDIT_CONTROL"}
given = {
    "pod": agent["containers"][0]["securityContext"]["capabilities"],
    "compose": {key: compose["services"]["agent"][f"cap_{key}"] for key in ("add", "drop")},
}
for where, capabilities in given.items():
    check(f"the agent's {where} has the capabilities of the warden's unit", set(capabilities["add"]) == unit, capabilities)
    check(f"the agent's {where} has no other", capabilities["drop"] == ["ALL"], capabilities)
entry = Path("packaging/container/agent-entry").read_text()
unnamed = [it for it in unit if it not in entry]
check("agent-entry says what each is for", not unnamed, unnamed)

for side, pod in (("gateway", gateway), ("agent", agent)):
    policy = resources[f"{side}: NetworkPolicy"]["spec"]
    check(f"the {side}'s network policy is about all pods and both directions", policy["podSelector"] == {} and set(policy["policyTypes"]) == {"Ingress", "Egress"}, policy)
    workload = copy.deepcopy(resources[f"{side}: {'Deployment' if side == 'gateway' else 'DaemonSet'}"])
    labels = workload["spec"]["template"]["metadata"]["labels"]
    check(f"the {side}'s selector finds its pods", workload["spec"]["selector"]["matchLabels"].items() <= labels.items(), labels)

# Ports are where the shipped configuration has them, and open to whom they are for.
shipped = Path("packaging/container/configuration")
configured = tomllib.loads((shipped / "gateway/gateway.toml").read_text())



def port(address):
    return int(address.rpartition(":")[2])


def reached(side, way):
    """The ports of each rule of a policy, with whom it is about."""
    rules = resources[f"{side}: NetworkPolicy"]["spec"][way]
    return {tuple(it["port"] for it in rule["ports"]): rule.get("from" if way == "ingress" else "to") for rule in rules}


mcp, hosts, join = (port(it) for it in (configured["listen"], configured["hosts_listen"]["address"], configured["authority"]["listen"]))
dialled = [port(it) for it in tomllib.loads((shipped / "agent/agent.toml").read_text())["gateway"]["dial"]]
container = next(it for it in gateway["containers"] if it["name"] == "gateway")
ports = {it["name"]: it["containerPort"] for it in container["ports"]}
check("the gateway's pod has the ports that it listens on", ports == {"mcp": mcp, "hosts": hosts, "join": join}, ports)
served = {it["targetPort"]: it["port"] for it in resources["gateway: Service"]["spec"]["ports"]}
check("its service has them, those for hosts by the same number", served == {"mcp": 443, "hosts": hosts, "join": join}, served)
exposed = re.search(r"^EXPOSE (.*)$", Path("packaging/container/gateway.Containerfile").read_text(), re.M)[1].split()
check("so has its image", [int(it) for it in exposed] == [mcp, hosts, join], exposed)
comers = reached("gateway", "ingress")
check("clients reach one port of the gateway, agents the other two", set(comers) == {(mcp,), (hosts, join)}, comers)
agents = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": resources["agent: Namespace"]["metadata"]["name"]}},
    "podSelector": resources["agent: DaemonSet"]["spec"]["selector"],
}
check("and nobody else does", comers.get((hosts, join)) == [agents], comers)
check("the gateway reaches nobody", not reached("gateway", "egress"), reached("gateway", "egress"))
check("nobody reaches an agent", not reached("agent", "ingress"), reached("agent", "ingress"))
check("agents reach the gateway and names", set(reached("agent", "egress")) == {(hosts, join), (53, 53)}, reached("agent", "egress"))
check("they dial the port for hosts", dialled == [hosts], dialled)
listening = [it for it in every(agent) if "hostPort" in it or "containerPort" in it]
check("and listen nowhere", not listening and "ports" not in compose["services"]["agent"], listening)
enrolled = {it["value"] for it in every(agent) if it.get("name") == "COFFERDAM_GATEWAY"} | {compose["services"]["agent"]["environment"]["COFFERDAM_GATEWAY"]}
check("they enrol where the gateway says that it is", enrolled == {configured["authority"]["address"]}, enrolled)
first, second = gateway["initContainers"][0], compose["services"]["authority"]
check("authorities are made by the same command", first["command"] + first["args"] == second["entrypoint"] + second["command"])
name = resources["agent: Service"]["metadata"]["name"]
check("the gateway has the same name for agents as in compose", name == enrolled.pop().partition(":")[0] and name in compose["services"], name)
for service in ("authority", "gateway"):
    it = compose["services"][service]
    held = (it["user"], it["read_only"], it["cap_drop"], it.get("cap_add"), it["security_opt"])
    check(f"compose's {service} is as held", held == ("65532:65532", True, ["ALL"], None, ["no-new-privileges:true"]), held)

service = resources["gateway: Service"]["spec"]["selector"]
check("the gateway's service finds its pods", service == resources["gateway: Deployment"]["spec"]["template"]["metadata"]["labels"], service)
enforce = {name: it["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for name, it in resources.items() if it["kind"] == "Namespace"}
check("namespaces say what pods may ask for", enforce == {"gateway: Namespace": "restricted", "agent: Namespace": "privileged"}, enforce)

print(f"manifests: {len(wrong)} wrong")
sys.exit(bool(wrong))
