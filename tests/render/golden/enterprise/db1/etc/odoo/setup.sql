-- Roles and extensions for odoo. Run once, as the superuser, in the primary's database "odoo":
--   psql -d odoo -f /etc/odoo/setup.sql     (then give each role its password with \password)
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- Who only reads: reports, and what goes to the read replica.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'odoo_reader') THEN
        CREATE ROLE odoo_reader LOGIN;
    END IF;
END $$;
ALTER ROLE odoo_reader SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE "odoo" TO odoo_reader;
GRANT USAGE ON SCHEMA public TO odoo_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO odoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE odoo IN SCHEMA public GRANT SELECT ON TABLES TO odoo_reader;

-- PgBouncer asks here for the secret of whoever connects; it may ask nothing else.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbouncer') THEN
        CREATE ROLE pgbouncer LOGIN;
    END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS pgbouncer AUTHORIZATION pgbouncer;
CREATE OR REPLACE FUNCTION pgbouncer.secret(name text) RETURNS TABLE (usename name, passwd text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin AND NOT rolsuper $$;
REVOKE ALL ON FUNCTION pgbouncer.secret(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.secret(text) TO pgbouncer;

-- And there, where Odoo listens for its chat and its scheduled actions.
\connect postgres
CREATE SCHEMA IF NOT EXISTS pgbouncer AUTHORIZATION pgbouncer;
CREATE OR REPLACE FUNCTION pgbouncer.secret(name text) RETURNS TABLE (usename name, passwd text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin AND NOT rolsuper $$;
REVOKE ALL ON FUNCTION pgbouncer.secret(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.secret(text) TO pgbouncer;

\connect "odoo"
