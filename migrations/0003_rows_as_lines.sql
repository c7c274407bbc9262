-- A row is believed no more than a line of the text file that holds the same: a key is one word
-- without white space, control characters or # in front, and what stands beside it is what such a
-- line could say (line ends among an alias's targets count as blanks).
-- NOT VALID: rows that are there already stay as they are, so that no database fails here, and
-- `posthorn check` names them; new ones and those that are changed are looked at.

ALTER TABLE posthorn.domains ADD CONSTRAINT domains_name_is_a_word
  CHECK (name COLLATE "C" !~ '^#|[[:space:][:cntrl:]@]') NOT VALID;

ALTER TABLE posthorn.mailboxes ADD CONSTRAINT mailboxes_address_is_a_word
  CHECK (address COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;

ALTER TABLE posthorn.aliases ADD CONSTRAINT aliases_address_is_a_word
  CHECK (address COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;
ALTER TABLE posthorn.aliases ADD CONSTRAINT aliases_targets_are_addresses
  CHECK (targets LIKE '%@%' AND targets COLLATE "C" !~ '[\x01-\x08\x0e-\x1f\x7f]') NOT VALID;

ALTER TABLE posthorn.senders ADD CONSTRAINT senders_address_is_a_word
  CHECK (address COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;
ALTER TABLE posthorn.senders ADD CONSTRAINT senders_accounts_are_some
  CHECK (accounts COLLATE "C" ~ '[^[:space:],;]'
         AND accounts COLLATE "C" !~ '[\x01-\x08\x0e-\x1f\x7f]') NOT VALID;

ALTER TABLE posthorn.transport ADD CONSTRAINT transport_pattern_is_a_word
  CHECK (pattern COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;
ALTER TABLE posthorn.transport ADD CONSTRAINT transport_nexthop_is_a_line
  CHECK (nexthop COLLATE "C" !~ '[\x01-\x08\x0a-\x1f\x7f]') NOT VALID;

ALTER TABLE posthorn.sender_relays ADD CONSTRAINT sender_relays_sender_is_a_word
  CHECK (sender COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;
ALTER TABLE posthorn.sender_relays ADD CONSTRAINT sender_relays_nexthop_is_a_word
  CHECK (nexthop COLLATE "C" !~ '[[:space:][:cntrl:]]') NOT VALID;

ALTER TABLE posthorn.relay_sasl ADD CONSTRAINT relay_sasl_nexthop_is_a_word
  CHECK (nexthop COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;
ALTER TABLE posthorn.relay_sasl ADD CONSTRAINT relay_sasl_login_is_a_line
  CHECK (login COLLATE "C" !~ '[\x01-\x08\x0a-\x1f\x7f]') NOT VALID;

ALTER TABLE posthorn.vusers ADD CONSTRAINT vusers_name_is_a_word
  CHECK (name COLLATE "C" !~ '^#|[[:space:][:cntrl:]]') NOT VALID;

ALTER TABLE posthorn.users ADD CONSTRAINT users_name_is_a_word
  CHECK (name COLLATE "C" !~ '^#|[[:space:][:cntrl:]:]') NOT VALID;
ALTER TABLE posthorn.users ADD CONSTRAINT users_hash_is_a_line
  CHECK (hash <> '' AND hash COLLATE "C" !~ '[\x01-\x08\x0a-\x1f\x7f]') NOT VALID;
