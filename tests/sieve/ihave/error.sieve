require "ihave";
error "this script cannot go on";
