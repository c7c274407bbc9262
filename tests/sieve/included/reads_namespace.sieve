require ["include", "variables"];
set "global.back" "got ${global.shared}";
