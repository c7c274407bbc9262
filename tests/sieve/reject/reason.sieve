require ["reject", "variables"];
set "who" "Jörg";
reject text:
Grüße von ${who},
..nicht hier.
.
;
