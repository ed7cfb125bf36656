-- settings: What the server is set to, as far as doctor looks at it.
SELECT name, setting FROM pg_settings
 WHERE name IN ('autovacuum', 'track_counts', 'archive_mode', 'archive_command', 'archive_library', 'wal_level', 'log_destination',
                'logging_collector', 'max_connections', 'superuser_reserved_connections', 'autovacuum_freeze_max_age',
                'default_transaction_read_only', 'autovacuum_vacuum_scale_factor', 'random_page_cost')

-- where: Behind which port the server is, whether it is a standby, and since when it has replayed nothing.
SELECT inet_server_port() AS port, pg_is_in_recovery() AS standby,
       CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) ELSE 0 END AS behind

-- connections: Those of clients, of how many.
SELECT count(*) FILTER (WHERE backend_type = 'client backend') AS used, current_setting('max_connections')::int AS most
  FROM pg_stat_activity

-- sessions: Open transactions, the oldest first, but our own.
SELECT pid, coalesce(nullif(application_name, ''), usename, '') AS name, state,
       extract(epoch FROM now() - xact_start)::float AS age
  FROM pg_stat_activity
 WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state IS NOT NULL
 ORDER BY xact_start LIMIT 20

-- tables: The largest tables, with what vacuum has left behind and how often they are read from end to end.
SELECT c.oid::regclass::text AS name, pg_table_size(c.oid) AS size, greatest(c.reltuples, s.n_live_tup)::bigint AS rows,
       s.n_dead_tup AS dead, s.seq_scan AS scans, s.seq_tup_read AS scanned,
       NOT coalesce(array_to_string(c.reloptions, ',') ILIKE '%autovacuum_enabled=false%', false) AS vacuum,
       CASE WHEN c.reltuples > 0 THEN greatest(0, pg_relation_size(c.oid) - ceil(c.reltuples * (w.width + 28) / 0.9))::bigint
            ELSE 0 END AS wasted
  FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
       CROSS JOIN LATERAL (SELECT coalesce(sum(avg_width * (1 - null_frac)), 0) AS width FROM pg_stats
                            WHERE schemaname = s.schemaname AND tablename = s.relname) w
 WHERE c.relkind = 'r' ORDER BY pg_table_size(c.oid) DESC LIMIT 200

-- unindexed: Foreign keys of large tables that no index begins with, though the other side is deleted from by looking them up.
SELECT c.conrelid::regclass::text AS name, quote_ident(a.attname) AS field, t.reltuples::bigint AS rows
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f' AND array_length(c.conkey, 1) = 1 AND t.reltuples >= %(rows)s
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indisvalid)
 ORDER BY t.reltuples DESC LIMIT 20

-- custom: Custom fields that no index begins with, in large tables that are read from end to end all the time.
SELECT t.oid::regclass::text AS name, quote_ident(a.attname) AS field, s.seq_scan AS scans
  FROM pg_class t JOIN pg_stat_user_tables s ON s.relid = t.oid JOIN pg_attribute a ON a.attrelid = t.oid
       LEFT JOIN pg_stats d ON d.schemaname = s.schemaname AND d.tablename = s.relname AND d.attname = a.attname
 WHERE t.relkind = 'r' AND t.reltuples >= %(rows)s AND s.seq_scan >= %(scans)s AND a.attname LIKE 'x\_%%' AND NOT a.attisdropped
   AND coalesce(d.n_distinct, 0) NOT BETWEEN 1 AND 10
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = a.attnum AND i.indisvalid)
 ORDER BY s.seq_tup_read DESC LIMIT 20

-- standbys: Who follows the log of changes, and how many bytes behind.
SELECT coalesce(nullif(application_name, ''), client_addr::text, '') AS name,
       pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))::bigint AS behind
  FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn) IS NOT NULL

-- slots: What is kept for followers that are not there.
SELECT slot_name AS name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS behind
  FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery()

-- archiver: Whether the last attempt has succeeded; null before the first one.
SELECT CASE WHEN last_failed_time IS NULL AND last_archived_time IS NULL THEN NULL
            ELSE coalesce(last_archived_time > last_failed_time, last_failed_time IS NULL) END AS archived FROM pg_stat_archiver

-- backup: How long ago the last base backup ended: its history stays in the log's directory until the next one.
SELECT extract(epoch FROM now() - max(modification))::float AS age FROM pg_ls_waldir() WHERE name LIKE '%.backup'

-- odds: Whether statements are counted here, whether this database both sends and receives changes, and how old its rows are.
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS statements,
       EXISTS (SELECT FROM pg_publication) AND EXISTS (SELECT FROM pg_stat_subscription) AS two_ways,
       age(datfrozenxid) AS age FROM pg_database WHERE datname = current_database()

-- backend: Which process of the server this statement is in.
SELECT pg_backend_pid() AS pid

-- uses: How often statements were called that name a table and a field, and how long that took. Only where they are counted.
SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(total_exec_time), 0) / 1000 AS seconds
  FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND query ~ ('\y' || %(name)s || '\y') AND query ~ ('\y' || %(field)s || '\y')
