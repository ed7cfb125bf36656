-- Roles and extensions for {{ site.name }}. Run once, as the superuser, in the primary's database "{{ site.database }}":
--   psql -d {{ site.database }} -f /etc/{{ site.name }}/setup.sql     (then give each role its password with \password)
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- Who only reads: reports, and what goes to the read replica.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{ site.user }}_reader') THEN
        CREATE ROLE {{ site.user }}_reader LOGIN;
    END IF;
END $$;
ALTER ROLE {{ site.user }}_reader SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE "{{ site.database }}" TO {{ site.user }}_reader;
GRANT USAGE ON SCHEMA public TO {{ site.user }}_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {{ site.user }}_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE {{ site.user }} IN SCHEMA public GRANT SELECT ON TABLES TO {{ site.user }}_reader;
{% if topology.having("pooler") %}

-- PgBouncer asks here for the secret of whoever connects; it may ask nothing else.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbouncer') THEN
        CREATE ROLE pgbouncer LOGIN;
    END IF;
END $$;
{% set secret %}
CREATE SCHEMA IF NOT EXISTS pgbouncer AUTHORIZATION pgbouncer;
CREATE OR REPLACE FUNCTION pgbouncer.secret(name text) RETURNS TABLE (usename name, passwd text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin AND NOT rolsuper $$;
REVOKE ALL ON FUNCTION pgbouncer.secret(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.secret(text) TO pgbouncer;
{% endset %}
{{ secret }}
{% if site.odoo %}

-- And there, where Odoo listens for its chat and its scheduled actions.
\connect postgres
{{ secret }}
\connect "{{ site.database }}"
{% endif %}
{% endif %}
