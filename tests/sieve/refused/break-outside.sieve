require ["foreverypart", "mime", "extracttext", "variables"];
break;
