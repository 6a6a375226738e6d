"""What to do about an error, by its kind. The message says what is wrong; this says whose turn it is."""

_BY_KIND: dict[str, str] = {
    "unsupported-model": (
        "Each reason names a layer and what it needs. Say what a layer of your own computes with "
        "--layers FILE.py, put a module of yours in its place with --replace, and plan the model again with "
        "that option."
    ),
    "parity-failed": (
        "The module was made but does not compute what Keras computes, so it was not published. The page "
        "Parity shows the first layer that departs. Please report it: this is a fault of the converter."
    ),
    "not-hdf5": (
        "Look whether the file is what its name says: an error page or a pointer of Git LFS is often saved in "
        "its place. Upload the model and plan again."
    ),
    "truncated": (
        "The file ends too early, so its upload or copy was cut off. Copy it again from where it came from; "
        "the new version gets a job of its own."
    ),
    "damaged-hdf5": (
        "The file was changed after Keras wrote it, or by another tool. Restore it, or save the model anew."
    ),
    "damaged-zip": ("The archive is not whole. Copy it again, or save the model anew."),
    "weights-only": (
        "The file has weights but no architecture. Give it with --architecture: the JSON of model.to_json(), "
        "or the name of a model of keras.applications."
    ),
    "not-a-keras-model": ("This is HDF5, but no model of Keras. Leave it out with --exclude."),
    "bad-config": (
        "The file's own description of the model contradicts itself. Save the model anew with Keras."
    ),
    "missing-weight": (
        "Weights and architecture do not belong together, or weights were saved only in part."
    ),
    "wrong-shape": (
        "Weights and architecture do not belong together: check which architecture was given, and whether the "
        "model was changed before its weights were loaded."
    ),
    "bad-weight": (
        "Training ended in numbers that are none (NaN or infinite). The model computes nothing; go back to an "
        "earlier checkpoint."
    ),
    "unexpected-weight": (
        "The file holds more weights than the architecture has places for: it is another model's."
    ),
    "limit-exceeded": ("The file goes past a safety limit. If you trust it, raise that limit with --limit."),
    "forbidden-link": ("The file points to other files. Only plain files are read: save the model anew."),
    "forbidden-storage": ("Data is stored in a way that Keras never writes. Save the model anew."),
    "cannot-export": (
        "The bundle would be complete without this format. Plan it without --export, or in another format."
    ),
    "out-of-memory": (
        "The model needs more memory than one job may have. Raise FLEET_JOB_MEMORY_BYTES on a large machine "
        "and try again."
    ),
    "timed-out": ("It took longer than a job may. Raise FLEET_JOB_TIMEOUT_SECONDS and try again."),
    "store-unavailable": (
        "The store was away for longer than FLEET_OUTAGE_SECONDS. Look whether it answers now, then try again."
    ),
    "store-refused": (
        "The store refused: check credentials and permissions with bin/fleet doctor, then try again."
    ),
    "object-missing": (
        "The file is no longer there. Put it back, or leave the job be. Files that were brought here are kept for a "
        "time after their jobs end: bring the file again."
    ),
    "database-unavailable": ("The database was away for too long. Try again."),
    "local-disk": (
        "The machine that ran it has no room left, or its disk fails. Free the scratch folder and try again."
    ),
    "crashed": (
        "The process that converted it was killed each time. Its last words are on the page Log. Try again "
        "once the cause is known; the job waits for that."
    ),
    "store-missing": (
        "The bucket or folder is not there. Check its name and bin/fleet doctor, then try again."
    ),
    "reference-failed": (
        "Keras itself could not build or run the model, so nothing can be proven. The page Log has its words."
    ),
    "device-failed": ("The GPU failed. Drain the worker that ran it, then try again."),
}
_BY_KIND["exited"] = _BY_KIND["crashed"]
_BY_KIND["disk-full"] = _BY_KIND["local-disk"]

_BY_PREFIX: tuple[tuple[str, str], ...] = (
    ("store-", _BY_KIND["store-unavailable"]),
    ("object-", "The file changed while it was read, or is no longer what was listed. Plan the batch again."),
)


def advice(kind: str | None) -> str | None:
    """What to do about an error of this kind; None: nothing more than its message says."""
    if kind is None:
        return None
    found = _BY_KIND.get(kind)
    return found or next((text for prefix, text in _BY_PREFIX if kind.startswith(prefix)), None)
