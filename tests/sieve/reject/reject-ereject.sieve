require ["reject", "ereject"];
reject "x";
ereject "y";
