-- The tables and users of Posthorn: the same keys and values as the text files hold, in lower case
-- (ASCII only, as the lookups are). id keeps the order in which rows were written.
-- A statement that changes a table tells every running server at once (channel "posthorn").

CREATE TABLE posthorn.domains (
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text PRIMARY KEY CHECK (name <> '' AND name = lower(name COLLATE "C")),
  note text NOT NULL DEFAULT '.'
);

CREATE TABLE posthorn.mailboxes (
  id bigint GENERATED ALWAYS AS IDENTITY,
  address text PRIMARY KEY CHECK (address LIKE '_%@%' AND address = lower(address COLLATE "C")),
  note text NOT NULL DEFAULT '.',
  domain text NOT NULL GENERATED ALWAYS AS (split_part(address, '@', -1)) STORED
    REFERENCES posthorn.domains (name) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON posthorn.mailboxes (domain);

-- address: the whole one, or @domain for all others; targets: addresses, separated by commas.
CREATE TABLE posthorn.aliases (
  id bigint GENERATED ALWAYS AS IDENTITY,
  address text PRIMARY KEY CHECK (address LIKE '%@%' AND address = lower(address COLLATE "C")),
  targets text NOT NULL CHECK (targets <> ''),
  domain text NOT NULL GENERATED ALWAYS AS (split_part(address, '@', -1)) STORED
    REFERENCES posthorn.domains (name) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON posthorn.aliases (domain);

-- accounts: who may send as the address (or @domain), separated by commas.
CREATE TABLE posthorn.senders (
  id bigint GENERATED ALWAYS AS IDENTITY,
  address text PRIMARY KEY CHECK (address <> '' AND address = lower(address COLLATE "C")),
  accounts text NOT NULL CHECK (accounts <> '')
);

-- pattern: address, domain, .parent.domain or *; nexthop: smtp:[host]:port, smtp:, error:text.
CREATE TABLE posthorn.transport (
  id bigint GENERATED ALWAYS AS IDENTITY,
  pattern text PRIMARY KEY CHECK (pattern <> '' AND pattern = lower(pattern COLLATE "C")),
  nexthop text NOT NULL CHECK (nexthop LIKE 'smtp:%' OR nexthop LIKE 'error:%' OR nexthop = ':')
);

-- nexthop: [host]:port; login: user:password.
CREATE TABLE posthorn.relay_sasl (
  id bigint GENERATED ALWAYS AS IDENTITY,
  nexthop text PRIMARY KEY CHECK (nexthop <> '' AND nexthop = lower(nexthop COLLATE "C")),
  login text NOT NULL CHECK (login LIKE '%:%')
);

-- name: what stands before the @, or @ for all others; account: whose mail that is.
CREATE TABLE posthorn.vusers (
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text PRIMARY KEY CHECK (name <> '' AND name = lower(name COLLATE "C")),
  account text NOT NULL CHECK (account <> '')
);

-- name: the login; hash: {SCHEME}hash, as in conf/users.
CREATE TABLE posthorn.users (
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text PRIMARY KEY CHECK (name <> '' AND name = lower(name COLLATE "C")),
  hash text NOT NULL
);

CREATE FUNCTION posthorn.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('posthorn', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.domains
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.mailboxes
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.aliases
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.senders
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.transport
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.relay_sasl
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.vusers
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.users
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
