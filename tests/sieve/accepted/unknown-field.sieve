if header "X-Nobody-Knows" "a" { keep; }
if exists "X-Nobody-Knows" { keep; }
