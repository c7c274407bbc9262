require "imap4flags";
addflag "Implicit";
