-- Roles and extensions for site. Run once, as the superuser, in the primary's database "site":
--   psql -d site -f /etc/site/setup.sql     (then give each role its password with \password)
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- Who only reads: reports, and what goes to the read replica.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'site_reader') THEN
        CREATE ROLE site_reader LOGIN;
    END IF;
END $$;
ALTER ROLE site_reader SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE "site" TO site_reader;
GRANT USAGE ON SCHEMA public TO site_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO site_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE site IN SCHEMA public GRANT SELECT ON TABLES TO site_reader;
