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
