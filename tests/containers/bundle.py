"""Makes of `runc spec` an OCI bundle as a container engine would of compose.yaml:
user, capabilities, read-only root, temporary file systems, limits; with the
test's own network and directories in place of networks and volumes.

usage: bundle.py SERVICE BUNDLE NETWORK_NAMESPACE

What is mounted lies beside the root of the image, in the bundle that is called as the
image is.
"""

import json
import resource
import sys
from pathlib import Path

import yaml

service, place, network = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
wanted = yaml.safe_load(Path("packaging/container/compose.yaml").read_text())["services"][service]
config = place / "config.json"
spec = json.loads(config.read_text())
process = spec["process"]

# As the images say it.
entry = {
    "gateway": ["/usr/lib/cofferdam/cofferdam-gateway", "--config", "/etc/cofferdam/gateway.toml"],
    "agent": ["/usr/lib/cofferdam/agent-entry"],
}
image = {"authority": "gateway"}.get(service, service)
process["args"] = wanted["entrypoint"] + wanted["command"] if "entrypoint" in wanted else entry[service]
process["terminal"] = False
process["cwd"] = "/"
path = {"gateway": "/usr/bin", "agent": "/usr/sbin:/usr/bin:/sbin:/bin"}[image]
process["env"] = [f"PATH={path}"] + [f"{name}={value}" for name, value in wanted.get("environment", {}).items()]
user, _, group = wanted.get("user", "0:0").partition(":")
process["user"] = {"uid": int(user), "gid": int(group), "additionalGids": [int(group)] if int(group) else []}
assert wanted["cap_drop"] == ["ALL"]
capabilities = [f"CAP_{name}" for name in wanted.get("cap_add", [])]
process["capabilities"] = {kind: capabilities for kind in ("bounding", "effective", "permitted")}
process["noNewPrivileges"] = "no-new-privileges:true" in wanted["security_opt"]
# As far as this machine lets anybody raise them.
most = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1] for name in ("nofile", "core")}
limits = {name: value if most[name] < 0 else min(value, most[name]) for name, value in wanted.get("ulimits", {}).items()}
process["rlimits"] = [
    {"type": f"RLIMIT_{name.upper()}", "hard": value, "soft": value} for name, value in limits.items()
]
place = place.parent / image
spec["root"] = {"path": str(place / "rootfs"), "readonly": wanted["read_only"]}
spec["hostname"] = wanted.get("hostname", service)

temporary = [it.split(":") for it in wanted.get("tmpfs", [])]
spec["mounts"] += [
    {"destination": at, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", mode]}
    for at, mode in temporary
]
# What stands for volumes, configs and secrets of compose.yaml.
volumes = {
    "gateway": {"etc": "/etc/cofferdam", "state": "/var/lib/cofferdam-gateway", "credentials": "/run/credentials"},
    "agent": {
        "etc": "/etc/cofferdam",
        "state": "/var/lib/cofferdam-agent",
        "sites": "/srv/cofferdam",
        "join": "/run/secrets/join",
    },
}
targets = [it if isinstance(it, str) else it["target"] for kind in ("volumes", "configs", "secrets") for it in wanted.get(kind, [])]
targets = [it.removesuffix(":ro").rpartition(":")[2] for it in targets]
for own, at in volumes[image].items():
    if not any(Path(it).is_relative_to(at) for it in targets):
        continue
    options = ["bind", "ro"] if own in ("etc", "credentials", "join") else ["bind", "rw"]
    spec["mounts"].append({"destination": at, "source": str(place / own), "options": options})
if service == "gateway":
    # As a cluster gives them; see gateway.yaml.
    process["env"].append("CREDENTIALS_DIRECTORY=/run/credentials")
# A test's resolver is nobody's; the gateway is on this network, as everybody is.
hosts = place / "hosts"
hosts.write_text("127.0.0.1 localhost gateway\n")
spec["mounts"].append({"destination": "/etc/hosts", "source": str(hosts), "options": ["bind", "ro"]})

linux = spec["linux"]
for namespace in linux["namespaces"]:
    if namespace["type"] == "network" and wanted.get("network_mode") != "none":
        namespace["path"] = network
if not any(it["type"] == "cgroup" for it in linux["namespaces"]):
    linux["namespaces"].append({"type": "cgroup"})
linux["cgroupsPath"] = f"/{Path(network).name}-{service}"
config.write_text(json.dumps(spec, indent=1))
