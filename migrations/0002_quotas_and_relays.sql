-- Limits of single accounts. name: the login, of one that is there; rules: as in conf/users behind
-- userdb_quota_rule=, "*:storage=1G:messages=10000 Trash:storage=+100M", with blanks between.

CREATE TABLE posthorn.quotas (
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text PRIMARY KEY REFERENCES posthorn.users (name)
    ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  rules text NOT NULL CHECK (rules LIKE '%:%')
);

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.quotas
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();

-- Which relay takes what a sender sends, and is not for a transport. sender: address or @domain;
-- nexthop: [host]:port, smtp: (by MX) or DUNNO (as for all).
CREATE TABLE posthorn.sender_relays (
  id bigint GENERATED ALWAYS AS IDENTITY,
  sender text PRIMARY KEY CHECK (sender LIKE '%@%' AND sender = lower(sender COLLATE "C")),
  nexthop text NOT NULL CHECK (nexthop <> '' AND nexthop NOT LIKE '% %')
);

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON posthorn.sender_relays
  FOR EACH STATEMENT EXECUTE FUNCTION posthorn.tell();
