keep discard;
