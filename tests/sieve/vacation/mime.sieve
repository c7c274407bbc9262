require "vacation";
vacation :mime text:
Content-Type: text/html; charset=utf-8

<p>Weg</p>
.
;
