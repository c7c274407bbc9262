require "imap4flags";
setflag ["\\Flagged", "$Label1"];
removeflag "\\flagged";
keep;
