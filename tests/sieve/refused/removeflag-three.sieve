require "imap4flags";
removeflag "a" "b" "c";
