"""The client whose cluster is worked on."""

from distributed import get_client, get_worker


def current_client():
    """The current `distributed.Client`. Raises a ValueError if there is none that can be waited for here."""
    try:
        get_worker()
    except ValueError:
        pass
    else:
        raise ValueError(
            "This is a task of a Dask cluster, and a fit on a cluster would wait in it for other tasks. In tasks, such "
            "as the candidates of a search, use SparseAutoencoderTransformer."
        )
    try:
        client = get_client()
    except ValueError as error:
        raise ValueError(
            "There is no Dask cluster to work on. Start one before: distributed.Client() for this machine, "
            "distributed.Client(address) for another."
        ) from error
    if client.asynchronous:
        raise ValueError(
            "The current distributed.Client is asynchronous, and to wait for its results here would stop the event "
            "loop that they come by. Wait in a thread, await asyncio.to_thread(model.fit, X), or make the client "
            "without asynchronous=True."
        )
    return client
