require "reject";
reject text: word
.
;
