require ["include", "variables"];
global "shared";
global "back";
set "back" "got ${shared}";
