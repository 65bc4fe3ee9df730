"""Who owns what programs keep: a system user for sysusers.d, and access to folders for tmpfiles.d."""

from stackgen.emit.unit import words
from stackgen.targets.systemd.box import Box


def sysusers(box: Box) -> list[str]:
    """The lines of sysusers.conf."""
    managed = any(box.volume(job.mounts[0].volume).managed for job in box.jobs)
    if not managed and not any(map(box.keeps, box.workloads)):
        return []
    return [words(["u", box.user, "-", f"keeps the data of {box.deployment.name}", "-"])]


def tmpfiles(box: Box) -> list[str]:
    """The lines of tmpfiles.conf: what stands there already keeps its owner."""
    secret = any(map(box.secrets, (*box.workloads, *box.jobs)))
    written = {
        folder
        for workload in box.workloads
        for mount in workload.mounts
        if not mount.read_only and (folder := box.volume(mount.volume).path)
    }
    rights = f"user:{box.user}:rwx,default:user:{box.user}:rwx"
    return [
        *([words(["d", box.secrets_folder, "0700", "root", "root", "-"])] if secret else []),
        *(words(["a+", folder, "-", "-", "-", "-", rights]) for folder in sorted(written)),
    ]
