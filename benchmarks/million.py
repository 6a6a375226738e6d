"""A fleet with history: as many jobs as are asked for, most of them ended, five events each, in one statement a table.

For what is measured over many rows; PostgreSQL alone. What the fleet itself needs to write such rows is measured by
`benchmarks.jobs`.
"""

from sqlalchemy import Engine, text

_STATEMENTS = (
    """INSERT INTO recipe (dest_url, converter_version, options_key, options, created_at)
       VALUES ('s3://bundles', '1', 'key', '{}', now())""",
    """INSERT INTO batch (recipe_id, source_url, state, selection, jobs_new, created_at)
       SELECT 1, 's3://models/' || n, 'running', '{}', :jobs / 20, now() - (20 - n) * interval '1 day'
       FROM generate_series(1, 20) n""",
    """INSERT INTO source (store_url, key, version, size, etag, first_seen_at)
       SELECT 's3://models', (ARRAY['resnet', 'vgg', 'lstm', 'unet'])[1 + n / 10 % 4] || '/' || lpad(n::text, 8, '0')
              || '.h5', md5(n::text), 1000 + n, md5(n::text), now() - interval '20 days'
       FROM generate_series(1, :jobs) n""",
    # Seven of ten succeeded, two failed, one waits; of every thousand one is quarantined and one cancelled.
    """INSERT INTO job (source_id, recipe_id, queue, priority, state, run_at, fence, retries, lost_count, content_key,
                        error_kind, error_message, error_fingerprint, created_at, started_at, finished_at)
       SELECT n, 1, 'default', 0, state, at, CASE WHEN state = 'queued' THEN 0 ELSE 1 END, 0, 0,
              CASE WHEN state = 'succeeded' THEN 'content-' || n END,
              CASE WHEN bad THEN kind END,
              CASE WHEN bad THEN (ARRAY['resnet', 'vgg', 'lstm', 'unet'])[1 + n / 10 % 4] || '/' || n || '.h5: layer '
                   || n % 40 || ' is of a class that nobody knows' END,
              CASE WHEN bad THEN md5(kind || n / 10 % 40) END,
              at, CASE WHEN state <> 'queued' THEN at + interval '1 hour' END,
              CASE WHEN state <> 'queued' THEN at + interval '1 hour' + n % 90 * interval '1 second' END
       FROM (SELECT n, state, state IN ('failed', 'quarantined') AS bad,
                    (ARRAY['unsupported-model', 'truncated', 'parity-failed'])[1 + n / 10 % 3] AS kind,
                    now() - (:jobs - n) * interval '20 days' / :jobs AS at
             FROM (SELECT n, CASE WHEN n % 1000 = 1 THEN 'quarantined' WHEN n % 1000 = 2 THEN 'cancelled'
                                  WHEN n % 10 = 0 THEN 'queued' WHEN n % 10 IN (4, 8) THEN 'failed'
                                  ELSE 'succeeded' END AS state
                   FROM generate_series(1, :jobs) n) numbered) spread""",
    """INSERT INTO batch_job (batch_id, job_id) SELECT 1 + (id - 1) * 20 / :jobs, id FROM job""",
    """INSERT INTO worker (id, host, pid, slots, device, versions, state, started_at, heartbeat_at)
       SELECT 'worker-' || n, 'host-' || n, 1, 4, 'cpu', '{}', 'active', now() - interval '1 day', now()
       FROM generate_series(1, 20) n""",
    """INSERT INTO attempt (job_id, fence, worker_id, stage, progress, started_at, heartbeat_at, ended_at, outcome,
                            max_rss_bytes, stage_seconds, environment, error_kind, error_message, error_fingerprint)
       SELECT id, 1, 'worker-' || 1 + id % 20, 'publish', 1, started_at, finished_at, finished_at,
              CASE state WHEN 'quarantined' THEN 'crashed' ELSE state END, 500000000 + id,
              '{"download": 0.4, "convert": 1.3, "verify": 6.2, "publish": 0.5}', '{"device": "cpu"}',
              error_kind, error_message, error_fingerprint
       FROM job WHERE state <> 'queued'""",
    """INSERT INTO parity (job_id, fence, passed, structure_error, structure_limit, deployment_error, deployment_limit,
                           device, report)
       SELECT id, 1, true, 1e-16 * exp(id % 97 / 9.0), 1e-9, 1e-8 * exp(id % 89 / 12.0), 1e-4, 'cpu',
              '{"outputs": [], "layers": []}'
       FROM job WHERE state = 'succeeded'""",
    """INSERT INTO job_reason (job_id, position, kind, subject, layer, message)
       SELECT id, n, 'unsupported-layer',
              (ARRAY['SpectralGate', 'Capsule', 'GraphConv', 'Mixer'])[1 + (id / 10 + n) % 4],
              'layer_' || n, 'is of a class that nobody knows'
       FROM job, generate_series(0, 1) n WHERE error_kind = 'unsupported-model'""",
    """INSERT INTO event (job_id, batch_id, at, type, data)
       SELECT id, NULL, created_at + n * interval '20 minutes',
              (ARRAY['planned', 'dispatched', 'claimed', 'stage', 'succeeded'])[1 + n], '{"worker": "worker-1"}'
       FROM job, generate_series(0, 4) n ORDER BY id, n""",
    """INSERT INTO audit (at, actor, via, action, subject, jobs, data)
       SELECT now() - n * interval '1 minute', 'anna', 'dashboard', 'retry', 'state:failed', n, '{}'
       FROM generate_series(1, 10000) n""",
)


def fill(engine: Engine, jobs: int) -> None:
    """Fill an empty database that has the schema; minutes for a million."""
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement), {"jobs": jobs} if ":jobs" in statement else {})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
