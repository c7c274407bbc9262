require ["fileinto", "copy", "variables"];
set "where" text:
One
Two
.
;
if header :is "subject" "places" {
	# the line that counts
	fileinto :copy "${where}";
}

redirect
	:copy
	"ann@example.org";
